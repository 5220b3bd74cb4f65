package hotline

import (
	"context"
	"errors"
	"fmt"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// Errors that a call or a connection may end with. They are found by errors.Is in what a call returned, next to the
// cause: a call that timed out is context.DeadlineExceeded and ErrMaybeExecuted.
var (
	// ErrNotExecuted says that the method was not entered: the call may safely be made again.
	ErrNotExecuted = link.ErrNotExecuted

	// ErrMaybeExecuted says that the request was sent and no reply came: the link ended, or the caller gave up, also because
	// of an item of a stream that it could not send or take.
	ErrMaybeExecuted = link.ErrMaybeExecuted

	// ErrTooLarge says that the arguments or results are over a limit (MaxMessage).
	ErrTooLarge = link.ErrTooLarge

	// ErrClosed says that the client or the server was closed on this side.
	ErrClosed = link.ErrClosed

	// ErrNotConnected says that a client is used that was never connected.
	ErrNotConnected = errors.New("not connected: call hotline.Connect first")

	// ErrNotSupported says that something is known and cannot be done yet.
	ErrNotSupported = errors.New("not supported yet")
)

// Code says how a call failed at the server.
type Code = wire.Code

// The codes of an [Error]. What each means is in spec.md.
const (
	CodeRefused        = wire.CodeRefused        // handshake: not this service or version
	CodeNoMethod       = wire.CodeNoMethod       // no such method
	CodeBadArguments   = wire.CodeBadArguments   // the arguments could not be decoded
	CodeTooLarge       = wire.CodeTooLarge       // the arguments are over the server's limit
	CodeExhausted      = wire.CodeExhausted      // more calls than the server takes: in flight on the link, or by one of its interceptors
	CodeDraining       = wire.CodeDraining       // the server takes no more calls
	CodeNotAllowed     = wire.CodeNotAllowed     // the codec is not allowed on this transport, or an interceptor of the server refuses the call
	CodeApplication    = wire.CodeApplication    // the method returned an error
	CodeCanceled       = wire.CodeCanceled       // the method returned context.Canceled
	CodeDeadline       = wire.CodeDeadline       // the method returned context.DeadlineExceeded
	CodePanic          = wire.CodePanic          // the method panicked
	CodeBadResult      = wire.CodeBadResult      // the results could not be encoded
	CodeResultTooLarge = wire.CodeResultTooLarge // the results are over the client's limit
)

// Error is what the server answered to a call that failed there; errors that arose on this side are none. A method that
// returned an error is CodeApplication with the error's text. errors.Is and errors.As find those errors that
// the method's error was or wrapped and that both sides know, see [KnownError]. errors.Is also matches ErrTooLarge, and
// ErrNotExecuted where the code says that the method was not entered: whatever the method's error wrapped, it was executed.
type Error struct {
	Method  string // the method that was called
	Code    Code
	Message string

	known []error // what the method's error was or wrapped
}

// Error returns the server's words, as a method's own error reads for a caller in the same process; codes other than
// CodeApplication say which method failed.
func (e *Error) Error() string {
	if e.Code == CodeApplication {
		return e.Message
	}
	return fmt.Sprintf("hotline: %s: %s", e.Method, e.Message)
}

// Unwrap returns the errors that both sides know, of those that the method's error was or wrapped.
func (e *Error) Unwrap() []error { return e.known }

// Is implements what errors.Is needs; see [Error].
func (e *Error) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.Code == CodeCanceled
	case context.DeadlineExceeded:
		return e.Code == CodeDeadline
	case ErrTooLarge:
		return e.Code == CodeTooLarge || e.Code == CodeResultTooLarge
	case ErrNotExecuted:
		return !e.Code.Executed()
	}
	return false
}

// callError gives an error of the engine the name of the method, and the errors that k knows.
func (k *knownErrors) callError(method string, err error) error {
	var remote *wire.Error
	if errors.As(err, &remote) {
		return &Error{Method: method, Code: remote.Code, Message: remote.Message, known: k.rebuild(remote.Identities)}
	}
	return fmt.Errorf("hotline: %s: %w", method, err)
}
