package hotline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// request is a call on its way to an instance.
type request struct {
	link.Request
	oneway bool     // there is no reply
	by     *session // which it was sent over last
}

// send makes one attempt at a call. The first one goes elsewhere when its link is busy and there are others.
func (c *Client) send(ctx context.Context, s *session, first bool, r *request) (reply link.Reply, err error) {
	r.by, r.IfIdle = s, first && c.pool.several.Load()
	switch {
	case r.oneway:
		err = s.link.Send(ctx, &r.Request)
	case s.direct != nil && s.direct.takes(&r.Request):
		reply, err = s.link.Enter(ctx, s.direct.server, &r.Request)
	case r.Values != nil:
		reply, err = s.callEncoded(ctx, &r.Request)
	default:
		reply, err = s.link.Call(ctx, &r.Request)
	}
	return reply, err
}

// open is send for a call that streams.
func (c *Client) open(ctx context.Context, s *session, first bool, r *request, sig *signature) (*link.ClientStream, error) {
	r.by, r.IfIdle = s, first && c.pool.several.Load()
	return s.link.Open(ctx, &r.Request, sig.sends != nil, sig.takes != nil)
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

// retry makes a call again that ended with cause over s, for as long as that is safe and another link can be had: until ctx
// ends, or, when it has no deadline, until no link could be had for Dialer.Timeout in all.
func (c *Client) retry(ctx context.Context, method string, idempotent bool, s *session, cause error, try func(s *session, first bool) error) error {
	var maybe error
	refused := 0
	for limit := time.Now().Add(c.dialer.Timeout); again(cause, idempotent); {
		if errors.Is(cause, ErrMaybeExecuted) {
			maybe = cause
		}
		if !errors.Is(cause, link.ErrBusy) {
			c.dialer.Logger.Debug().Err(cause).Str("method", method).Str("address", s.address).Msg("calling again over another link")
			c.pool.drop(s)
			c.scout.tend()
			if tooLate(ctx, limit) {
				return overall(maybe, noOther(cause, context.DeadlineExceeded))
			}
			if refused++; refused > 3 { // as no instances do that come and go
				pause(ctx, awaitPause)
			}
		}
		next, err := c.choose(ctx, limit)
		if err != nil && errors.Is(cause, ErrClosed) { // which is why
			break
		}
		if err != nil {
			return overall(maybe, noOther(cause, err))
		}
		s = next
		began := time.Now()
		cause = try(s, false)
		limit = limit.Add(time.Since(began)) // it is for the time without a link
	}
	return overall(maybe, cause)
}

// pause waits, or returns early when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// tooLate reports whether limit has passed, which is for contexts that have no deadline.
func tooLate(ctx context.Context, limit time.Time) bool {
	_, ok := ctx.Deadline()
	return !ok && time.Now().After(limit)
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
	if err := ctx.Err(); err != nil {
		return nil, err
	}
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
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.scout.ctx.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, waitedInVain(ctx, c.pool.lastFailure())
		}
		if s, err := c.pool.pick(); s != nil || err != nil {
			return s, err
		}
		err := c.connect(ctx)
		var unfit *unfitError
		switch {
		case err == nil:
			timer.Reset(0)
		case errors.As(err, &unfit) || errors.Is(err, ErrClosed):
			return nil, err
		default:
			timer.Reset(awaitPause)
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
