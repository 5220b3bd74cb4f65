package hotline

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// Interceptor is code around calls, on the side that makes them ([Dialer.Interceptors]) or answers them
// ([Server.Interceptors]). It is called once for each call, of whatever kind, and makes or answers it by next:
//
//	func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
//		err := next(ctx)
//		log.Print(call.Method, " took ", time.Since(call.Began), ": ", call.Outcome(err))
//		return err
//	}
//
// next returns when the call has ended, with its error; for a call that streams that is when its streams have. An
// interceptor returns after the nexts that it has called. What it returns is what the one around it gets from its next,
// and in the end the caller: it may be another error, but a call that failed can't be made a success. It is called by
// many goroutines at once. Package hotline/interceptor has interceptors for what most programs need.
//
// The context that is passed to next is the call's: its deadline and cancellation count, and so does metadata. On the
// client [WithMetadata] adds to what is sent, and [WithReplyMetadata] tells what came back; on the server
// [IncomingMetadata] is what came, [SetReplyMetadata] adds to the answer, and the method sees the context's values.
//
// On the client next is the whole call, with all its attempts at several instances, and the timeout in the function's tag
// counts for each next. It may be called again, once the one before has returned, or not at all: then the interceptor
// returns an error, which should be or wrap [ErrNotExecuted]. Once the call was, or may have been, executed by a next no
// error says ErrNotExecuted any more, whoever returns it: what became of the call is what became of all its attempts. A
// call that streams can be made once.
//
// On the server next is called once at the most. Where it was not called the error that is returned refuses the call:
// the caller learns that it was not executed. The code is that of an [*Error] among those that say so, such as
// CodeExhausted, which a client may try again later, and else CodeNotAllowed. A method's panic is an error of code
// CodePanic by then; its stack is in the server's log. Calls that no method can answer, because there is none of that
// name or its codec is not allowed, reach no interceptor; nor do pings.
//
// Calls of a client or a server without interceptors cost nothing for them.
type Interceptor func(ctx context.Context, call *Call, next func(ctx context.Context) error) error

// Call is what an interceptor learns of a call. It belongs to the call, and is read while the interceptor runs only.
type Call struct {
	Incoming   bool   // answered here; false where it is made
	Service    string // name of the service
	Version    string // of the service that answers
	Method     string // on the wire
	Codec      string
	Kind       CallKind
	Idempotent bool      // at the client: the function has the tag
	Began      time.Time // when the first interceptor was called

	// Peer is who calls, or, at the client, who answered: it is known when next has returned, and is the last one of
	// several that were tried.
	Peer Peer

	// The sizes are of the arguments and results as they are encoded, in bytes. That of the reply is known when next has
	// returned. What was streamed is added then, and counts for the direction it went. A typed call that is direct
	// ([Dialer.Direct]) has none.
	RequestSize, ReplySize int64

	shared   bool   // at the client: the arguments are in memory that the method may have changed
	entered  bool   // next was called
	answered bool   // the method has returned
	maybe    error  // at the client: of an attempt that was, or may have been, executed
	shown    *Error // what was made of failed, for the interceptors
	failed   *wire.Error
}

// CallKind says which sides of a call stream.
type CallKind uint8

// The kinds of calls.
const (
	Unary           CallKind = iota // arguments, then results
	OneWay                          // arguments, and nobody waits; to a server it is Unary
	ClientStreaming                 // the client streams
	ServerStreaming                 // the server does
	Bidirectional                   // both do
)

var kindNames = [...]string{"unary", "oneway", "client stream", "server stream", "bidirectional stream"}

// String returns the kind in words.
func (k CallKind) String() string { return kindNames[k] }

// Peer is the other side of a link.
type Peer struct {
	Address  string // URL of what the link goes over; where the peer has none, the listener's
	Instance string // at the client: id of the instance
	UID, PID int    // of a process on this machine, as it was when the link began; -1 where that is not known

	// TLS is the session, with the certificates that the peer has shown and that were verified as its configuration
	// asks for; nil without TLS.
	TLS *tls.ConnectionState
}

// newPeer asks a connection whom it leads to.
func newPeer(conn link.Conn, address, instance string) Peer {
	p := Peer{Address: address, Instance: instance, UID: -1, PID: -1}
	switch c := conn.(type) {
	case interface {
		Peer() (uid, pid int, ok bool)
	}:
		if uid, pid, ok := c.Peer(); ok {
			if p.UID = uid; pid > 0 {
				p.PID = pid
			}
		}
	default: // inproc
		p.UID, p.PID = os.Getuid(), os.Getpid()
	}
	if c, ok := conn.(interface{ TLS() *tls.ConnectionState }); ok {
		p.TLS = c.TLS()
	}
	return p
}

// Outcome puts an error that next returned, or that an interceptor is about to return, in words of a small set, for logs
// and labels: "ok"; the name of the code that the server answered with, as spec.md has them; and at the client, where no
// answer came, "canceled", "deadline exceeded", "not executed", "maybe executed" or "failed".
func (c *Call) Outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if c.Incoming {
		return c.code(err).String()
	}
	var remote *Error
	switch {
	case errors.As(err, &remote):
		return remote.Code.String()
	case errors.Is(err, context.Canceled):
		return CodeCanceled.String()
	case errors.Is(err, context.DeadlineExceeded):
		return CodeDeadline.String()
	case errors.Is(err, ErrNotExecuted):
		return "not executed"
	case errors.Is(err, ErrMaybeExecuted):
		return "maybe executed"
	}
	return "failed"
}

// Repeatable reports whether a call that ended with err may be made again, by a second next of the client, and whether
// that is worth while: it was not executed, for a reason that may pass, such as a server with too many calls or one
// that could not be reached; or the link was lost while an idempotent method may have run, and its arguments are not in a
// [Buffer] that it may have changed. It is never so for a call that streams, and on the server.
func (c *Call) Repeatable(err error) bool {
	if c.Incoming || c.Kind > OneWay {
		return false
	}
	var remote *Error
	var unfit *unfitError
	switch {
	case errors.As(err, &remote):
		return remote.Code == CodeExhausted || remote.Code == CodeDraining
	case errors.Is(err, ErrClosed) || errors.As(err, &unfit):
		return false
	case errors.Is(err, ErrMaybeExecuted):
		return c.Idempotent && !c.shared && errors.Is(err, link.ErrLost)
	}
	return errors.Is(err, ErrNotExecuted) && (errors.Is(err, link.ErrLost) || errors.Is(err, link.ErrDraining))
}

// chain is interceptors, the outermost first.
type chain []Interceptor

// around calls the interceptors, and last in the end, for each next of the innermost.
func (all chain) around(ctx context.Context, call *Call, last func(context.Context) error) error {
	call.Began = time.Now()
	if !call.Incoming {
		scopeOf(ctx).forget()
	}
	var failure error
	err := all.next(ctx, call, func(ctx context.Context) error {
		call.entered = true
		failure = last(ctx)
		if !call.Incoming && call.maybe == nil && !unexecuted(failure) {
			call.maybe = cmp.Or(failure, errRan)
		}
		return failure
	})
	if err == nil && failure != nil {
		return overall(call.maybe, call.misused(fmt.Errorf("%w: %w", errHidden, failure)))
	}
	return err
}

func (all chain) next(ctx context.Context, call *Call, last func(context.Context) error) error {
	if len(all) == 0 {
		return overall(call.maybe, last(ctx))
	}
	err := all[0](ctx, call, func(ctx context.Context) error { return all[1:].next(ctx, call, last) })
	if err == nil && !call.entered {
		return call.misused(errNoNext)
	}
	return overall(call.maybe, err)
}

// misused gives what an interceptor must not do the method's name, at the client. To a server's error the client adds it.
func (c *Call) misused(err error) error {
	if c.Incoming {
		return err
	}
	return fmt.Errorf("hotline: %s: %w", c.Method, err)
}

// errRan is of a call that went well before it was made again.
var errRan = fmt.Errorf("%w: it was, before it was made again", ErrMaybeExecuted)

// What interceptors can't do.
var (
	errNoNext = errors.New("an interceptor returned no error, and did not call next")
	errHidden = errors.New("an interceptor returned no error, and the call has failed")
)
