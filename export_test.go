package hotline

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"hotline/internal/link"
)

// Loop fills in the functions of a client, as Connect does, so that they call a service directly, one call at a time:
// all that a call costs but the link. The service's methods have the names of the client's fields. Where slow is set,
// everything goes through package reflect, as it does for methods that there is no form for.
func Loop(service, client any, slow bool) error {
	recv := reflect.ValueOf(service)
	all, err := bindings(reflect.ValueOf(client).Elem(), baseTags{}, nil)
	if err != nil {
		return err
	}
	for _, b := range all {
		m, ok := recv.Type().MethodByName(b.name)
		if !ok {
			return fmt.Errorf("no method %s", b.name)
		}
		sig, err := parseSignature(m.Type, 1)
		if err != nil {
			return err
		}
		if b.codec == nil {
			if b.encoding, err = b.encodingBy("msgpack"); err != nil {
				return err
			}
		}
		t := newTypedMethod(recv, m, &sig, b.codec)
		p := b.newProxy(t.loop())
		if slow {
			t.form = nil
			b.field.Set(reflect.MakeFunc(b.field.Type(), p.callSlow))
			continue
		}
		b.field.Set(p.function(b.field.Type()))
	}
	return nil
}

// loop returns what a proxy sends its calls by, to t: one call at a time, so that the replies can have one buffer.
func (t *typedMethod) loop() func(context.Context, []byte) (link.Reply, error) {
	var buf []byte
	return func(ctx context.Context, payload []byte) (link.Reply, error) {
		v, err := t.run(ctx, payload)
		if err != nil {
			return link.Reply{}, err
		}
		buf, err = t.finish(v, buf[:0])
		return link.Reply{Body: buf}, err
	}
}

// HasForm reports whether calls of functions of type t, a client's, go without package reflect on both sides.
func HasForm(t reflect.Type) bool {
	sig, err := parseSignature(t, 0)
	return err == nil && formOf(layouts(sig.args), layouts(sig.results)) != nil
}

// Waiting reports whether a caller of c waits for an instance.
func Waiting(c *Client) bool { return len(c.dialing) > 0 }

// Failed reports whether c has looked for an instance in vain.
func Failed(c *Client) bool { return c.pool.lastFailure() != nil }

// Links returns the number of links that c has for new calls.
func Links(c *Client) int {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	return len(c.pool.members)
}

// Surplus returns the number of links that c has no need of any more, and that are not closed yet.
func Surplus(c *Client) int {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	return len(c.pool.surplus)
}

// Joining returns the number of links that c's scout is making.
func Joining(c *Client) int {
	c.scout.mu.Lock()
	defer c.scout.mu.Unlock()
	return c.scout.joining
}

// Failing returns the number of places where c's scout has failed to make a link, or one that is as fast as it may be.
func Failing(c *Client) (n int) {
	c.scout.mu.Lock()
	defer c.scout.mu.Unlock()
	for _, t := range c.scout.tries {
		if t.failures > 0 {
			n++
		}
	}
	return n
}

// Rest returns how long c's scout leaves a place alone where it failed, at the most.
func Rest(c *Client) (longest time.Duration) {
	c.scout.mu.Lock()
	defer c.scout.mu.Unlock()
	for _, t := range c.scout.tries {
		longest = max(longest, time.Until(t.next))
	}
	return longest
}

// Overlapping reports whether calls of c have overlapped since its scout has looked.
func Overlapping(c *Client) bool { return c.scout.wanted.Load() }

// Scouting reports whether c looks for other instances.
func Scouting(c *Client) bool { return c.scout.running.Load() }

// BuiltinErrors returns the names of the errors that are always known.
func BuiltinErrors() (names []string) {
	for _, e := range builtinErrors() {
		names = append(names, e.name)
	}
	for _, e := range builtinTypes() {
		names = append(names, e.name)
	}
	return names
}

// InFlight returns the number of calls in flight on c's links.
func InFlight(c *Client) (n int) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	for _, s := range c.pool.members {
		n += s.link.InFlight()
	}
	return n
}

// Draining reports whether s, which is or was being served, takes no more connections from this process.
func Draining(s *Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hosts) == 0
}

// MaxGreeting is the most that Greetings returns for a server of one service.
const MaxGreeting = maxGreeting

// Greetings returns the number of connections whose handshake is under way, of clients in other processes.
func Greetings(s *Server) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hosts {
		n += len(h.greeting)
	}
	return n
}

// AcceptFrom has the only service of s, which is being served, take connections from accept too. close is called when s stops.
func AcceptFrom(s *Server, accept func() (link.Conn, error), close func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ln := s.hosts[0], &listenerFuncs{accept, close}
	h.listeners = append(h.listeners, ln)
	h.accepting.Go(func() { h.accept(ln) })
}

type listenerFuncs struct {
	accept func() (link.Conn, error)
	close  func() error
}

func (l *listenerFuncs) Accept() (link.Conn, error) { return l.accept() }
func (l *listenerFuncs) Close() error               { return l.close() }
func (l *listenerFuncs) Addr() string               { return "test://" }
