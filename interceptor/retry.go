package interceptor

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"

	"hotline"
)

// RetryOptions say how [Retry] makes calls again. Zero fields mean the defaults, nil options too.
type RetryOptions struct {
	Attempts int           // in all; 4 by default
	First    time.Duration // the pause before the second attempt; 20 ms by default. Pauses double
	Longest  time.Duration // that a pause may be; 1 s by default
	Jitter   float64       // by what share of itself a pause is longer or shorter, at random; 0.5 by default, less than 0 for none

	// If decides which failed calls are made again; by default [hotline.Call.Repeatable] does. Who says yes to more takes
	// care that the methods bear it: call.Idempotent is what their tags say.
	If func(call *hotline.Call, err error) bool
}

// Retry makes calls again that failed for a reason that may pass: those that were not executed, and those of idempotent
// methods that may have been. That goes beyond what a client does by itself, which is to try the other instances at
// once. It is for clients; calls that stream are made once. It gives up when the next pause would be over the context's
// deadline, and returns the last error, which says of the outcome what is true of all attempts. A timeout in the function's
// tag is for each of them.
func Retry(o *RetryOptions) hotline.Interceptor {
	v := o.withDefaults()
	return func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
		err := next(ctx)
		if err == nil || call.Incoming || call.Kind > hotline.OneWay {
			return err
		}
		return v.again(ctx, call, next, err)
	}
}

// again makes a call again that has failed with err.
func (o *RetryOptions) again(ctx context.Context, call *hotline.Call, next func(context.Context) error, err error) error {
	pauses := backoff.ExponentialBackOff{
		InitialInterval: o.First, MaxInterval: o.Longest, Multiplier: 2, RandomizationFactor: o.Jitter,
	}
	for n := 1; n < o.Attempts && o.If(call, err); n++ {
		if !sleep(ctx, pauses.NextBackOff()) {
			break
		}
		if err = next(ctx); err == nil {
			break
		}
	}
	return err
}

// sleep waits, and reports whether it has: not where ctx would end before.
func sleep(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (o *RetryOptions) withDefaults() *RetryOptions {
	v := RetryOptions{}
	if o != nil {
		v = *o
	}
	if v.Attempts == 0 {
		v.Attempts = 4
	}
	if v.First == 0 {
		v.First = 20 * time.Millisecond
	}
	if v.Longest == 0 {
		v.Longest = time.Second
	}
	switch {
	case v.Jitter == 0:
		v.Jitter = backoff.DefaultRandomizationFactor
	case v.Jitter < 0:
		v.Jitter = 0
	}
	if v.If == nil {
		v.If = (*hotline.Call).Repeatable
	}
	return &v
}
