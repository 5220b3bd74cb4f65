package interceptor

import (
	"context"
	"errors"
	"fmt"

	"github.com/sony/gobreaker/v2"

	"hotline"
	"hotline/codec"
)

// Breaker stops making calls for a while when they keep failing, so that a server in trouble is left alone and callers
// learn of it at once: with an error that is hotline.ErrNotExecuted and gobreaker.ErrOpenState (or
// gobreaker.ErrTooManyRequests, while it tries whether things are better). It is for clients, and is best given to one
// client or one service: all calls that go through it count together.
//
// Settings are those of the library, with its defaults: it opens after more than 5 failures in a row and tries again
// after 60 s. Where IsSuccessful is nil those calls count as failures that say something of the server's health: that
// timed out, whoever noticed it first, were lost, or could not be made, and those that the server answered with CodeRefused,
// CodeExhausted, CodeDraining, CodeDeadline or CodePanic. Any other error that a method returns is its answer. Where
// IsExcluded is nil, calls count for nothing that were cancelled, again whoever noticed it first, or whose values could not be
// encoded or decoded on this side.
func Breaker(settings gobreaker.Settings) hotline.Interceptor {
	if settings.IsSuccessful == nil {
		settings.IsSuccessful = healthy
	}
	if settings.IsExcluded == nil {
		settings.IsExcluded = ownMatter
	}
	breaker := gobreaker.NewCircuitBreaker[struct{}](settings)
	return func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
		made := false
		_, err := breaker.Execute(func() (struct{}, error) {
			made = true
			return struct{}{}, next(ctx)
		})
		if err != nil && !made {
			return fmt.Errorf("hotline: %s: %w: %w", call.Method, hotline.ErrNotExecuted, err)
		}
		return err
	}
}

// healthy reports whether the end of a call says that its server is well.
func healthy(err error) bool {
	if err == nil {
		return true
	}
	if remote, ok := errors.AsType[*hotline.Error](err); ok {
		switch remote.Code {
		case hotline.CodeRefused, hotline.CodeExhausted, hotline.CodeDraining, hotline.CodeDeadline, hotline.CodePanic:
			return false
		}
		return true
	}
	return errors.Is(err, hotline.ErrTooLarge)
}

// ownMatter reports whether the end of a call says nothing of its server.
func ownMatter(err error) bool {
	_, uncoded := errors.AsType[*codec.Error](err)
	return uncoded || errors.Is(err, context.Canceled)
}
