package link

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/wire"
)

// Defaults of Options.
const (
	DefaultMaxMessage  = 128 << 20
	DefaultMaxInFlight = 1024
	MaxMaxInFlight     = 1 << 20
)

// Options bound a link. Zero fields mean the defaults; nil Options too. A link copies what it is given.
type Options struct {
	// MaxMessage is the largest message taken from the peer, in bytes; 128 MiB by default.
	MaxMessage int

	// PeerMaxMessage is the largest message that the peer takes, as its handshake said; MaxMessage by default.
	PeerMaxMessage int

	// MaxInFlight is how many calls may be in flight at once; 1,024 by default. On a Client a further caller
	// waits; a Server answers calls beyond it with wire.CodeExhausted.
	MaxInFlight int

	// Logger takes what only the operator should see, such as the stack of a panic. Nothing is logged by default.
	Logger *zerolog.Logger

	// Context is what the contexts of a Server's handlers derive from; context.Background() by default.
	Context context.Context

	// Identify says what an error that a handler returned, or that ended a stream, is beside its text; nothing by
	// default. It is called where the handler or the stream's items were, so its panic is theirs.
	Identify func(err error) []wire.Identity

	// Sentry watches for handlers that run long. The links of one process should share one; by default a
	// Server makes its own.
	Sentry *Sentry

	// Methods is the shared memory of which methods are slow, for the links of one service; by default a Server
	// makes its own.
	Methods *Methods

	// Overlap is called on a Client when a call begins while others are in flight, before it may have to wait; nothing by default. It
	// is called often, by all callers, and is to be quick.
	Overlap func()

	// Buffers is where message buffers come from; links of one process should share one; by default a link has
	// its own.
	Buffers *Buffers
}

// withDefaults returns a checked copy.
func (o *Options) withDefaults() (Options, error) {
	var v Options
	if o != nil {
		v = *o
	}
	if v.MaxMessage == 0 {
		v.MaxMessage = DefaultMaxMessage
	}
	if v.PeerMaxMessage == 0 {
		v.PeerMaxMessage = v.MaxMessage
	}
	if v.MaxInFlight == 0 {
		v.MaxInFlight = DefaultMaxInFlight
	}
	if v.MaxMessage < 0 || int64(v.MaxMessage) > maxTotal {
		return v, fmt.Errorf("MaxMessage is %d bytes, it must be from 1 to %d", v.MaxMessage, int64(maxTotal))
	}
	if v.PeerMaxMessage < 0 || int64(v.PeerMaxMessage) > maxTotal {
		return v, fmt.Errorf("PeerMaxMessage is %d bytes, it must be from 1 to %d", v.PeerMaxMessage, int64(maxTotal))
	}
	if v.MaxInFlight < 0 || v.MaxInFlight > MaxMaxInFlight {
		return v, fmt.Errorf("MaxInFlight is %d calls, it must be from 1 to %d", v.MaxInFlight, MaxMaxInFlight)
	}
	if v.Overlap == nil {
		v.Overlap = func() {}
	}
	if v.Logger == nil {
		nop := zerolog.Nop()
		v.Logger = &nop
	}
	if v.Context == nil {
		v.Context = context.Background()
	}
	if v.Sentry == nil {
		v.Sentry = new(Sentry)
	}
	if v.Methods == nil {
		v.Methods = NewMethods(wire.MaxMethods)
	}
	if v.Buffers == nil {
		v.Buffers = new(Buffers)
	}
	return v, nil
}

// maxTotal is the longest message that a header can announce.
const maxTotal = 1<<32 - 1

// clock is a link's time: nanoseconds since the link began, never 0, monotonic.
type clock struct{ began time.Time }

func newClock() clock { return clock{time.Now().Add(-1)} }

func (c clock) now() int64 { return int64(time.Since(c.began)) }

// at turns a time to the link's clock.
func (c clock) at(t time.Time) int64 { return max(1, int64(t.Sub(c.began))) }

// time turns back what at returned.
func (c clock) time(ns int64) time.Time { return c.began.Add(time.Duration(ns)) }
