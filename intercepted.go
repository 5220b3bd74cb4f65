package hotline

import (
	"context"
	"errors"
	"slices"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// newCall returns what the client's interceptors learn of a call before it is made.
func (b *binding) newCall(c *Client) *Call {
	call := &Call{Method: b.wire, Codec: b.codec.Name(), Kind: b.sig.kind(), Idempotent: b.tags.idempotent}
	if b.tags.oneway {
		call.Kind = OneWay
	}
	call.answerer(c.pool.hot.Load())
	return call
}

// answerer notes over which link the call went, or is likely to go.
func (c *Call) answerer(s *session) {
	c.Service, c.Version, c.Peer = s.welcome.Service, s.welcome.ServiceVersion, s.peer
}

// intercepted is request by the client's interceptors.
func (b *binding) intercepted(ctx context.Context, c *Client, first *request) (reply link.Reply, err error) {
	r := *first // a copy, as in callAgain
	call := b.newCall(c)
	call.RequestSize, call.shared = int64(len(r.Payload)), r.Loan.Shared()
	err = chain(c.dialer.Interceptors).around(ctx, call, func(ctx context.Context) (err error) {
		reply.Release()      // of a call before
		r.Ends = time.Time{} // likewise
		if reply, err = b.exchange(ctx, c, &r); r.by != nil {
			call.answerer(r.by)
		}
		call.ReplySize = int64(len(reply.Body))
		return err
	})
	if err != nil {
		reply.Release()
	}
	return reply, err
}

// intercepted makes an untyped call by the client's interceptors.
func (c *Client) intercepted(ctx context.Context, u *untyped) error {
	call := &Call{Method: u.method}
	s := c.pool.hot.Load()
	call.answerer(s)
	if i := slices.IndexFunc(s.welcome.Methods, func(m wire.Method) bool { return m.Name == u.method }); i >= 0 {
		call.Codec = s.welcome.Methods[i].Codec
	}
	return chain(c.dialer.Interceptors).around(ctx, call, func(ctx context.Context) error {
		err := u.call(ctx, c)
		if u.by != nil {
			call.answerer(u.by)
		}
		call.RequestSize, call.ReplySize = int64(u.sent), int64(u.came)
		return err
	})
}

// intercepted makes a call that streams, by run, through the client's interceptors.
func (c *streamCall) intercepted(run func() error) error {
	if c.client.dialer.Interceptors == nil {
		return run()
	}
	call, made := c.newCall(c.client), false
	call.RequestSize = int64(len(c.payload))
	return chain(c.client.dialer.Interceptors).around(c.ctx, call, func(ctx context.Context) error {
		if made {
			return call.misused(errStreamedTwice)
		}
		made = true
		c.ctx = ctx
		defer func() { // also where the loop's body panics
			if c.request.by != nil {
				call.answerer(c.request.by)
			}
			call.RequestSize += c.given
			call.ReplySize += c.came
		}()
		return run()
	})
}

var errStreamedTwice = errors.New("an interceptor called next a second time, and the call streams")
