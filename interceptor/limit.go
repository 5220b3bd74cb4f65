package interceptor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"hotline"
)

// Limit lets at most n calls run at once, those that stream until their streams have ended. A further one waits for up
// to wait, and is refused then: by a server with CodeExhausted, by a client with an error that is
// hotline.ErrNotExecuted. Callers that wait are let in in any order. It panics where n is less than 1.
func Limit(n int, wait time.Duration) hotline.Interceptor {
	if n < 1 {
		panic(fmt.Sprintf("interceptor: Limit of %d calls: at least 1 is needed", n))
	}
	places := make(chan struct{}, n)
	return func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
		select {
		case places <- struct{}{}:
		default:
			if err := limitSlow(ctx, call, places, wait); err != nil {
				return err
			}
		}
		defer func() { <-places }()
		return next(ctx)
	}
}

// limitSlow waits for a place.
func limitSlow(ctx context.Context, call *hotline.Call, places chan<- struct{}, wait time.Duration) error {
	if wait <= 0 {
		return refuse(call, fmt.Errorf("%d calls run already, which is the limit", cap(places)))
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case places <- struct{}{}:
		return nil
	case <-timeout.C:
		return refuse(call, fmt.Errorf("%d calls run already, which is the limit, and none ended within %v", cap(places), wait))
	case <-ctx.Done():
		return refuse(call, fmt.Errorf("%d calls run already, which is the limit: %w", cap(places), ctx.Err()))
	}
}

// Rate lets calls pass as a token bucket does, a token each: limiter says how many a second, and how many in a burst.
// A call for which there is no token waits for one for up to wait, unless it is known that none comes in that time or
// before its deadline, and is refused as by [Limit]. The limiter may be shared, and changed while it is used.
func Rate(limiter *rate.Limiter, wait time.Duration) hotline.Interceptor {
	return func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
		if !limiter.Allow() {
			if err := rateSlow(ctx, call, limiter, wait); err != nil {
				return err
			}
		}
		return next(ctx)
	}
}

// rateSlow waits for a token.
func rateSlow(ctx context.Context, call *hotline.Call, limiter *rate.Limiter, wait time.Duration) error {
	if wait > 0 {
		own, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if limiter.Wait(own) == nil {
			return nil
		}
	}
	err := fmt.Errorf("more than %v calls a second", limiter.Limit())
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", err, ctx.Err())
	}
	return refuse(call, err)
}

// refuse returns the error of a call that is not to be executed, for its caller to come again later.
func refuse(call *hotline.Call, why error) error {
	if call.Incoming {
		return &hotline.Error{Method: call.Method, Code: hotline.CodeExhausted, Message: why.Error()}
	}
	return fmt.Errorf("hotline: %s: %w: %w", call.Method, hotline.ErrNotExecuted, why)
}
