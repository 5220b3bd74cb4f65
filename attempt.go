package hotline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// send makes one attempt at a call. The first one goes elsewhere when its link is busy and there are others. A one-way
// call has no reply.
func (c *Client) send(ctx context.Context, s *session, first, oneway bool, r *link.Request) (reply link.Reply, err error) {
	r.IfIdle = first && c.pool.several.Load()
	if oneway {
		err = s.link.Send(ctx, r)
	} else {
		reply, err = s.link.Call(ctx, r)
	}
	if r.Shared {
		c.scout.overlap()
	}
	return reply, err
}

// do makes a call by try, which makes one attempt, over one link after another until it has an outcome.
func (c *Client) do(ctx context.Context, method string, idempotent bool, try func(s *session, first bool) error) error {
	s := c.pool.hot.Load()
	err := try(s, true)
	if err != nil && again(err, idempotent) {
		err = c.retry(ctx, method, idempotent, s, err, try)
	}
	if err != nil {
		return c.dialer.known.callError(method, err)
	}
	return nil
}

// retry makes a call again that ended with cause over s, for as long as that is safe and another link can be had.
func (c *Client) retry(ctx context.Context, method string, idempotent bool, s *session, cause error, try func(s *session, first bool) error) error {
	for limit := time.Now().Add(c.dialer.Timeout); again(cause, idempotent); {
		if !errors.Is(cause, link.ErrBusy) {
			c.dialer.Logger.Debug().Err(cause).Str("method", method).Str("address", s.address).Msg("calling again over another link")
			c.pool.drop(s)
		}
		next, err := c.choose(ctx, limit)
		switch {
		case errors.Is(err, ErrClosed) && !errors.Is(cause, link.ErrBusy):
			return cause
		case err != nil:
			return noOther(cause, err)
		}
		s = next
		cause = try(s, false)
	}
	return cause
}

// noOther says that a call that ended with cause can't be made again. What it says of the outcome is what cause says.
func noOther(cause, err error) error {
	if errors.Is(cause, link.ErrBusy) {
		return fmt.Errorf("%w: %w", ErrNotExecuted, err)
	}
	return fmt.Errorf("%w, and no other link could be made: %w", cause, err)
}

// again reports whether a call that ended with err should be made again over another link.
func again(err error, idempotent bool) bool {
	var remote *wire.Error
	var large *link.TooLargeError
	switch {
	case errors.Is(err, link.ErrBusy):
		return true
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &large):
		return false
	case errors.As(err, &remote):
		return remote.Code == wire.CodeDraining
	case errors.Is(err, link.ErrMaybeExecuted):
		return idempotent
	}
	return errors.Is(err, link.ErrLost) || errors.Is(err, link.ErrDraining)
}

// choose returns a link for a call, and makes or awaits one where there is none: until ctx ends, or until limit when ctx
// has no deadline.
func (c *Client) choose(ctx context.Context, limit time.Time) (*session, error) {
	if s, err := c.pool.pick(); s != nil || err != nil {
		return s, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, limit)
		defer cancel()
	}
	return c.await(ctx)
}

// awaitPause is between two looks for an instance while there is none.
const awaitPause = 10 * time.Millisecond

// await makes a link as soon as an instance is there. Of the callers that wait one looks, the others wait for it.
func (c *Client) await(ctx context.Context) (*session, error) {
	select {
	case c.dialing <- struct{}{}:
		defer func() { <-c.dialing }()
	case <-ctx.Done():
		return nil, waitedInVain(ctx, c.pool.lastFailure())
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-c.scout.ctx.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, waitedInVain(ctx, c.pool.lastFailure())
		}
		if s, err := c.pool.pick(); s != nil || err != nil {
			return s, err
		}
		err := c.connect(ctx)
		var mismatch *MismatchError
		switch {
		case err == nil:
			pause.Reset(0)
		case errors.As(err, &mismatch) || errors.Is(err, ErrClosed):
			return nil, err
		default:
			pause.Reset(awaitPause)
		}
	}
}

// waitedInVain says what was looked for and what was seen.
func waitedInVain(ctx context.Context, last error) error {
	if last == nil {
		return ctx.Err()
	}
	return fmt.Errorf("waited for an instance: %w: %w", ctx.Err(), last)
}
