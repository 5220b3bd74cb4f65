package link

import (
	"context"
	"errors"
	"fmt"

	"hotline/internal/wire"
)

// What is known of a call that failed for a reason other than the handler's own error.
var (
	// ErrNotExecuted says that the handler was never entered: the call may be sent again.
	ErrNotExecuted = errors.New("the call was not executed")

	// ErrMaybeExecuted says that the link ended when the request had been sent and the reply had not come.
	ErrMaybeExecuted = errors.New("the call may have been executed")

	// ErrLost says that the link ended under a call, or before it.
	ErrLost = errors.New("the link is lost")

	// ErrClosed says that this side closed the link.
	ErrClosed = errors.New("the link is closed")

	// ErrDraining says that the server takes no more calls on this link.
	ErrDraining = errors.New("the server is draining")

	// ErrBusy says that other calls are in flight on a link that was to be used only if it is idle.
	ErrBusy = errors.New("other calls are in flight on the link")

	// ErrTooLarge says that a message is over a limit.
	ErrTooLarge = errors.New("message too large")
)

// TooLargeError says which message was over whose limit. errors.Is(err, ErrTooLarge) is true of it.
type TooLargeError struct {
	What  string // "arguments", "results", "metadata" or "handshake"
	Size  int    // bytes
	Limit int    // bytes
}

func (e *TooLargeError) Error() string {
	mend := " (raise MaxMessage on the side that receives)"
	if e.What == "metadata" {
		mend = "" // the limit is the protocol's
	}
	return fmt.Sprintf("message too large: %d bytes of %s, the limit is %d%s", e.Size, e.What, e.Limit, mend)
}

// Is reports whether target is [ErrTooLarge].
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// errBusy is ready made, because it is part of the ordinary choice of a link.
var errBusy = notExecuted(ErrBusy)

func lost(cause error) error          { return fmt.Errorf("%w: %w", ErrLost, cause) }
func notExecuted(cause error) error   { return fmt.Errorf("%w: %w", ErrNotExecuted, cause) }
func maybeExecuted(cause error) error { return fmt.Errorf("%w: %w", ErrMaybeExecuted, cause) }

// maxErrorText bounds the words of an error that crosses the wire, in bytes.
const maxErrorText = 64 << 10

// toWire turns what a handler returned, or a stream ended with, into what crosses the wire.
func (o *Options) toWire(err error) *wire.Error {
	e, ok := err.(*wire.Error) // and not one that err wraps: that would be the outcome of another call
	if !ok {
		e = &wire.Error{Code: CodeOf(err), Message: err.Error()}
		if o.Identify != nil {
			e.Identities = o.Identify(err)
		}
	}
	if len(e.Message) > maxErrorText {
		e = &wire.Error{Code: e.Code, Message: e.Message[:maxErrorText] + " …", Identities: e.Identities}
	}
	return e
}

// CodeOf returns the code that an error of a handler has on the wire, where it is no *wire.Error.
func CodeOf(err error) wire.Code {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return wire.CodeDeadline
	case errors.Is(err, context.Canceled):
		return wire.CodeCanceled
	}
	return wire.CodeApplication
}
