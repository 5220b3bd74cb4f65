package hotline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// Metadata is pairs of strings that travel beside the arguments of a call, or beside its results. Keys are not empty, are
// taken as they are (upper and lower case differ), and have one value each. All pairs of a call, or of its reply, take at
// most 16 KiB: each takes 8 bytes more than its key and value, and all together 4 more.
type Metadata map[string]string

// What W3C Trace Context calls its headers. A method's context hands them on to the calls that it makes, as they came.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"

	// maxTrace bounds the value of either, in bytes: what W3C wants everybody to hand on at the least.
	maxTrace = 512
)

// WithMetadata returns a context whose calls send a pair, beside those that ctx has already; a key's new value takes the
// place of its old one. An empty key, or pairs that are over the limit, fail the calls that are made with it, before
// anything is sent.
//
// What came with the call that a method answers is not sent on by the calls that the method makes with its context, with
// the exception of traceparent and tracestate (W3C Trace Context), which are handed on as they are; so is what is set here
// under these keys.
func WithMetadata(ctx context.Context, key, value string) context.Context {
	s := scopeOf(ctx).derive()
	s.set(key, value)
	return context.WithValue(ctx, scopeKey{}, s)
}

// WithReplyMetadata returns a context whose calls ask for the metadata of their replies. When a call has ended, also
// by an error that the method returned, *reply is what came with it, and nil if nothing did, as when its caller has left a
// stream. The context is for one call at a time, from its beginning on.
func WithReplyMetadata(ctx context.Context, reply *Metadata) context.Context {
	s := scopeOf(ctx).derive()
	s.reply = reply
	s.encode()
	return context.WithValue(ctx, scopeKey{}, s)
}

// IncomingMetadata returns the metadata of the call that a method answers with ctx, or nil where none came. It belongs to
// the call, and must not be changed.
func IncomingMetadata(ctx context.Context) Metadata {
	if s := scopeOf(ctx); s != nil && s.answering != nil {
		return s.answering.incoming
	}
	return nil
}

// SetReplyMetadata adds a pair to what the caller gets beside the results of the method whose context ctx is, or beside
// its error. A key's new value takes the place of its old one. Nothing is kept for a caller that asks for no metadata
// and sends none. The error says that the key is empty, that the pairs would be over the limit, or that the method has
// returned. It may be called by many goroutines at once.
func SetReplyMetadata(ctx context.Context, key, value string) error {
	s := scopeOf(ctx)
	if s == nil || s.answering == nil {
		return nil
	}
	return s.answering.set(key, value)
}

// scope is what a context knows of metadata. It is immutable once a context has it.
type scope struct {
	sent      Metadata   // by the calls made with the context
	encoded   []byte     // the same, as it travels
	err       error      // why none can be made
	reply     *Metadata  // where that of their replies goes; nil where nobody asks
	answering *answering // the call that a method answers with the context; nil for other contexts
}

type scopeKey struct{}

// scopeOf returns what ctx knows, or nil.
func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// derive returns a copy to be changed. s may be nil.
func (s *scope) derive() *scope {
	if s == nil {
		return &scope{sent: make(Metadata)}
	}
	v := *s
	v.sent = make(Metadata, len(s.sent)+1)
	maps.Copy(v.sent, s.sent)
	return &v
}

func (s *scope) set(key, value string) {
	if s.err != nil {
		return
	}
	if s.err = s.sent.set(key, value); s.err == nil {
		s.encode()
	}
}

// encode works out what travels. Even no pairs do where a reply's are asked for: to a call without metadata none is sent.
func (s *scope) encode() {
	if s.encoded = nil; len(s.sent) > 0 || s.reply != nil {
		s.encoded = wire.AppendMetadata(nil, s.sent)
	}
}

// set adds a pair, or reports why it can't be.
func (m Metadata) set(key, value string) error {
	if key == "" {
		return fmt.Errorf("metadata: the key of the value %q is empty", value)
	}
	old, had := m[key]
	m[key] = value
	n := wire.MetadataSize(m)
	if n <= wire.MaxMetadata {
		return nil
	}
	if delete(m, key); had {
		m[key] = old
	}
	return fmt.Errorf("metadata: key %q with a value of %d bytes: %w", key, len(value),
		&link.TooLargeError{What: "metadata", Size: n, Limit: wire.MaxMetadata})
}

// forget begins a call: what came with the one before is not its own. s may be nil.
func (s *scope) forget() {
	if s != nil && s.reply != nil {
		*s.reply = nil
	}
}

// attach gives a request the metadata of its context. s may be nil.
func (s *scope) attach(r *link.Request) error {
	if s == nil {
		r.Metadata = nil // that of an attempt before, with another context
		return nil
	}
	s.forget()
	if s.err != nil {
		return fmt.Errorf("%w: %w", ErrNotExecuted, s.err)
	}
	r.Metadata = s.encoded
	return nil
}

// collect hands on the metadata of a call's answer, and returns the call's error. s may be nil.
func (s *scope) collect(reply *link.Reply, err error) error {
	if s == nil || s.reply == nil {
		return err
	}
	*s.reply = nil
	if len(reply.Metadata) == 0 {
		return err
	}
	m, wrong := wire.ParseMetadata(reply.Metadata)
	if wrong == nil {
		*s.reply = m
		return err
	}
	if err == nil { // the results may be what they should be, but who sent them can't be trusted
		reply.Release()
		err = fmt.Errorf("reply: %w", wrong)
	}
	return err
}

// answering is what is known of a call's metadata while its method runs.
type answering struct {
	incoming Metadata

	mu    sync.Mutex
	reply Metadata // guarded by mu
	over  bool     // guarded by mu: the method has returned
}

func (a *answering) set(key, value string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return errors.New("hotline: metadata for a call that was answered")
	}
	if a.reply == nil {
		a.reply = make(Metadata)
	}
	if err := a.reply.set(key, value); err != nil {
		return fmt.Errorf("hotline: reply %w", err)
	}
	return nil
}

// end takes no more pairs and returns those that there are, as they travel.
func (a *answering) end() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over = true; len(a.reply) == 0 {
		return nil
	}
	return wire.AppendMetadata(nil, a.reply)
}

// withMetadata answers a call that came with metadata, by invoke.
func withMetadata(ctx context.Context, c *link.Incoming, method string, invoke func(context.Context, *link.Incoming) error) error {
	incoming, err := wire.ParseMetadata(c.Metadata)
	if err != nil {
		return wire.Errorf(wire.CodeBadArguments, "call of %s: %v", method, err)
	}
	s := &scope{sent: make(Metadata), answering: &answering{incoming: incoming}}
	for _, key := range []string{traceParent, traceState} {
		if value := incoming[key]; value != "" && len(value) <= maxTrace {
			s.set(key, value)
		}
	}
	err = invoke(&answerContext{ctx, s}, c)
	c.ReplyMetadata = s.answering.end()
	return err
}

// answerContext is the context of a method whose call came with metadata.
type answerContext struct {
	context.Context
	scope *scope
}

// Value implements context.Context.
func (c *answerContext) Value(key any) any {
	if key == (scopeKey{}) {
		return c.scope
	}
	return c.Context.Value(key)
}

// AfterFunc lets contexts that are derived from this one end with it, without a goroutine each: package context looks
// for this method, and the call's own context has it.
func (c *answerContext) AfterFunc(f func()) (stop func() bool) {
	return context.AfterFunc(c.Context, f)
}
