// Package each does something for each of several things, side by side.
package each

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// AtOnce calls do for 0 to n-1, as many at once as there are CPUs, and returns their errors, joined in that order. When ctx
// ends, no more are called, and the error is ctx's.
func AtOnce(ctx context.Context, n int, do func(i int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() == nil {
				errs[i] = do(i)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(errs...)
}
