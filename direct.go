package hotline

import (
	"context"
	"fmt"
	"slices"

	"hotline/internal/link"
)

// passing is how a call is passed to a method that a server in this process has.
type passing uint8

const (
	overLink passing = iota // as ever
	asBytes                 // the method is entered with a copy of the payload
	asValues                // the method is entered with the client's values
)

// shortcut is what a session knows of a server in this process whose methods are entered by their callers. It is
// immutable. A direct call is one attempt at a call like others: it enters by Client.send, below all that is done once for
// each call of a client, and arrives at linkHandler.Handle, where calls over links do.
type shortcut struct {
	server *link.Server
	way    []passing // by the number of the method
}

// takes reports whether a request is to be a direct call.
func (d *shortcut) takes(r *link.Request) bool {
	way := d.way[r.Method]
	return way == asBytes || way == asValues && r.Values != nil
}

// enter finds out which methods can be called directly, once the server has met its end of the connection. The others are
// in the log.
func (c *Client) enter(ctx context.Context, end *inprocEnd, s *session) (*shortcut, error) {
	select {
	case <-end.done:
	case <-s.link.Ended():
		return nil, fmt.Errorf("%s: %w", end, errNotMet)
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", end, ctx.Err())
	}
	d := &shortcut{server: end.server}
	for _, m := range end.service.methods {
		d.way = append(d.way, m.direct)
	}
	for i, b := range c.methods {
		if number := s.numbers[i]; !b.tags.oneway && !b.isDirect(end.service.methods[number]) {
			d.way[number] = overLink // for all functions that call it
		}
	}
	var others []string
	for i, b := range c.methods {
		if number := s.numbers[i]; b.tags.oneway || d.way[number] == overLink {
			others = append(others, fmt.Sprintf("%s (here %s, there %s)", b.wire, b.sig.text(b.name), s.welcome.Methods[number].Signature))
		}
	}
	if len(others) > 0 {
		c.dialer.Logger.Debug().Str("address", s.address).Strs("methods", others).Msg("these are not called directly")
	}
	return d, nil
}

// isDirect reports whether the function, which is not one-way, can call m directly.
func (b *binding) isDirect(m *method) bool {
	switch {
	case b.sig.placed():
		return false
	case m.direct == asValues:
		return slices.Equal(b.sig.args, m.sig.args) && slices.Equal(b.sig.results, m.sig.results)
	}
	return m.direct == asBytes
}

// makeDirect makes p pass its values on, to be encoded only for a link.
func (b *binding) makeDirect(c *Client, p *proxy) {
	p.frames.New = func() any {
		v := newFrame(p.sig)
		v.plan = p.args
		return v
	}
	p.carry = func(ctx context.Context, v *frame) error {
		reply, err := b.request(ctx, c, &request{Request: link.Request{Values: v}})
		if err != nil || reply.Entered {
			return err
		}
		return p.decode(&reply, v)
	}
}

// Encode implements link.Values.
func (v *frame) Encode() ([]byte, error) {
	payload, err := v.plan.Append(v.buf[:0], v.args.ptrs)
	if err != nil {
		return nil, fmt.Errorf("%w: arguments: %w", ErrNotExecuted, err)
	}
	v.buf = payload
	return payload, nil
}

// callEncoded makes a call over the link that could have been a direct one elsewhere.
func (s *session) callEncoded(ctx context.Context, r *link.Request) (reply link.Reply, err error) {
	if r.Payload, err = r.Values.Encode(); err != nil {
		return reply, err
	}
	return s.link.Call(ctx, r)
}
