package hotline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// round makes a link for a client that has none. It tries the places that the client's addresses lead to, in order: the next
// one when one has failed, or has not answered for a moment. The first that answers and fits is taken, and the others are
// given up. So an instance that hangs holds up nobody for long, and one that becomes ready meanwhile is found.
type round struct {
	client  *Client
	ctx     context.Context // of the attempts: ends when the round is over
	answers chan answer

	met      map[string]bool  // places that were found, by id
	queue    []place          // those that were not tried yet, best first
	pending  map[string]place // those that have not answered yet
	last     place            // the one that was tried last
	since    time.Time        // when that was; zero once an attempt has failed
	failed   map[string]bool  // places whose failure is noted
	failures []error          // the first of each place, and those of addresses that lead nowhere
	mayPass  bool             // one of them was not that the client does not fit
}

// unfitError is the failure of a round in which an instance answered at every place, and the client fits none of them: another
// round would end as this one did.
type unfitError struct{ error }

func (e *unfitError) Unwrap() error { return e.error }

// answer is what came of an attempt.
type answer struct {
	place    place
	session  *session // nil where no link was made
	failures []error  // of the ways that were tried in vain
}

// A place is given as long to answer before the next one is tried beside it: little for one of the same address, and more for
// one of an address that the user has put behind, whose link would be worse.
const (
	placePause   = 50 * time.Millisecond // also between two looks for new places while none answers
	addressPause = 250 * time.Millisecond
)

// maxJoins bounds the attempts to connect that a client makes at once.
const maxJoins = 16

// connect makes a link to one of the places that the addresses lead to. The error tells of all of them.
func (c *Client) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // attempts that still go on end by themselves: nobody has to wait for them
	unwatch := context.AfterFunc(c.scout.ctx, cancel)
	defer unwatch()
	r := &round{client: c, ctx: ctx, answers: make(chan answer), met: make(map[string]bool), failed: make(map[string]bool), pending: make(map[string]place)}
	s, err := r.run()
	switch {
	case err != nil:
		if len(r.met) > 0 {
			c.dialer.Logger.Debug().Err(err).Msg("could not connect")
		}
		return c.pool.failed(err)
	case s == nil: // others have made a link
		return nil
	}
	if err := c.pool.add(s); err != nil {
		return err
	}
	c.scout.tend()
	return nil
}

// run returns the first link, the error of all attempts, or neither where the client has got a link in another way.
func (r *round) run() (*session, error) {
	for _, a := range r.client.addresses {
		if err := r.find(a); err != nil {
			r.failures, r.mayPass = append(r.failures, err), true
		}
	}
	tick := time.NewTicker(placePause)
	defer tick.Stop()
	for {
		if err := r.begin(); err != nil {
			return nil, err
		}
		if len(r.pending) == 0 {
			return nil, r.inVain()
		}
		select {
		case got := <-r.answers:
			if s := r.take(got); s != nil {
				return s, nil
			}
		case <-r.ctx.Done():
			return nil, r.gaveUp(r.ctx.Err())
		case <-tick.C:
			if r.client.pool.linked() {
				return nil, nil
			}
			if len(r.queue) == 0 {
				r.findMore()
			}
		}
	}
}

// find puts the places that an address leads to, and that are new, into the queue.
func (r *round) find(a address) error {
	places, err := a.places(r.client.target, r.client.dialer.Dir)
	if err != nil {
		return err
	}
	for _, p := range places {
		if id := p.id(); !r.met[id] {
			r.met[id] = true
			r.queue = append(r.queue, p)
		}
	}
	return nil
}

// findMore looks for places that have become ready since, those that failed before among them.
func (r *round) findMore() {
	for _, a := range r.client.addresses {
		_ = r.find(a) // the errors are those of the first look
	}
}

// begin tries the next place if its time has come.
func (r *round) begin() error {
	if len(r.queue) == 0 || len(r.pending) == maxJoins {
		return nil
	}
	p, pause := r.queue[0], placePause
	if r.client.order(p) > r.client.order(r.last) {
		pause = addressPause
	}
	if len(r.pending) > 0 && time.Since(r.since) < pause {
		return nil
	}
	r.queue, r.last, r.since = r.queue[1:], p, time.Now()
	r.pending[p.id()] = p
	return r.client.scout.start(func() {
		s, failures := r.client.join(r.ctx, p)
		select {
		case r.answers <- answer{p, s, failures}:
		case <-r.ctx.Done():
			if s != nil {
				s.link.Close()
			}
		}
	})
}

// take notes what came of an attempt, and returns the link, or nil where other places are to be tried: another instance may fit
// where this one does not.
func (r *round) take(got answer) *session {
	id := got.place.id()
	delete(r.pending, id)
	if !r.failed[id] {
		r.failures = append(r.failures, got.failures...)
	}
	if got.session != nil {
		for _, p := range r.pending {
			r.failures = append(r.failures, fmt.Errorf("%s has not answered yet", p.ways[0]))
		}
		r.client.explain(got.session, r.failures)
		return got.session
	}
	var mismatch *MismatchError
	if !errors.As(oneError(got.failures), &mismatch) {
		r.mayPass = true
	}
	r.since, r.failed[id] = time.Time{}, true
	delete(r.met, id) // while others hang it is tried again
	return nil
}

// inVain says what was tried, when all of it has failed.
func (r *round) inVain() error {
	err := oneError(r.failures)
	if r.mayPass {
		return err
	}
	return &unfitError{err}
}

// gaveUp says what was tried until the context ended by cause.
func (r *round) gaveUp(cause error) error {
	for _, p := range r.pending {
		r.failures = append(r.failures, fmt.Errorf("%s has not answered: %w", p.ways[0], cause))
	}
	return oneError(r.failures)
}

// order returns which of the client's addresses led to a place.
func (c *Client) order(p place) int { return slices.Index(c.addresses, p.from) }

// explain says in the log why a link was not made in a way that was tried before.
func (c *Client) explain(s *session, failures []error) {
	if len(failures) > 0 {
		c.dialer.Logger.Debug().Err(oneError(failures)).Str("address", s.address).Msg("an earlier way was not taken")
	}
}
