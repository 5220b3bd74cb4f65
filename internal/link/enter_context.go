package link

import (
	"context"
	"errors"
	"time"
)

// enteredContext is the context of a call that did not go over the connection. It ends with that of the caller, with the call's
// deadline and with the link, and has the values of the link alone. Most handlers never wait for its end: so nothing is
// set up for it until somebody asks.
type enteredContext struct {
	callContext
	caller context.Context
	armed  bool // guarded by mu: the context ends by itself
	stops  [3]func() bool
}

// Done is closed when the context has ended.
func (c *enteredContext) Done() <-chan struct{} {
	c.arm()
	return c.callContext.Done()
}

// Err says why the context has ended, or nil.
func (c *enteredContext) Err() error {
	c.look()
	return c.callContext.Err()
}

// AfterFunc is what package context looks for, see [callContext.AfterFunc].
func (c *enteredContext) AfterFunc(f func()) (stop func() bool) {
	c.arm()
	return c.callContext.AfterFunc(f)
}

// look ends the context if it is to have ended by now.
func (c *enteredContext) look() {
	switch err := c.caller.Err(); {
	case errors.Is(err, context.DeadlineExceeded) || c.late():
		c.end(context.DeadlineExceeded)
	case err != nil || c.Context.Err() != nil:
		c.end(context.Canceled)
	}
}

// late reports whether the deadline has passed.
func (c *enteredContext) late() bool { return c.deadline != 0 && c.clock.now() >= c.deadline }

// arm makes the context end by itself.
func (c *enteredContext) arm() {
	c.mu.Lock()
	if c.armed || c.err != nil {
		c.mu.Unlock()
		return
	}
	c.armed = true
	c.stops[0] = context.AfterFunc(c.Context, c.look)
	c.stops[1] = context.AfterFunc(c.caller, c.look)
	if c.deadline != 0 {
		t := time.AfterFunc(time.Duration(c.deadline-c.clock.now()), c.look)
		c.stops[2] = t.Stop
	}
	c.mu.Unlock()
	c.look() // what ended before is not waited for
}

// over ends the context of a call whose handler has returned. It returns why it had ended before, for the caller: by its own
// context or by the deadline.
func (c *enteredContext) over() error {
	err := c.caller.Err()
	if err == nil && c.late() {
		err = context.DeadlineExceeded
	}
	c.end(context.Canceled)
	c.mu.Lock()
	stops := c.stops
	c.mu.Unlock()
	for _, stop := range stops {
		if stop != nil {
			stop()
		}
	}
	return err
}
