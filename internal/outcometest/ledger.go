// Package outcometest holds what callers are told of calls, whose servers are killed under them, against how often those calls
// were executed.
package outcometest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"hotline"
)

// outcome is what a caller knows of a call.
type outcome string

const (
	executed      outcome = "it was executed"
	notExecuted   outcome = "it was not executed"
	maybeExecuted outcome = "it may have been executed"
)

// call is one that has ended.
type call struct {
	outcome
	idempotent bool
}

// Ledger has what callers were told of all calls. Its methods may be called at once; the zero value is ready for use.
type Ledger struct {
	mu    sync.Mutex
	calls map[uint64]call // under mu, by the caller's own numbers
	worst time.Duration   // under mu
}

// Call makes a call by do, and takes note of what its caller is told. An idempotent one may be executed more than once, and is
// sent again rather than not known. An error that says nothing, or that came with the end of ctx, is returned. others are the
// numbers of what is executed with it, and known as it is, such as the items of a stream.
func (l *Ledger) Call(ctx context.Context, id uint64, idempotent bool, do func(context.Context) error, others ...uint64) error {
	begun := time.Now()
	err := do(ctx)
	took := time.Since(begun)
	c := call{idempotent: idempotent}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("call %d had no end after %v: %w", id, took, err)
	case err == nil:
		c.outcome = executed
	case errors.Is(err, hotline.ErrMaybeExecuted) && !idempotent:
		c.outcome = maybeExecuted
	case errors.Is(err, hotline.ErrNotExecuted):
		c.outcome = notExecuted
	default:
		return fmt.Errorf("call %d ended by an error that does not say whether it was executed: %w", id, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == nil {
		l.calls = make(map[uint64]call)
	}
	for _, id := range append(others, id) {
		l.calls[id] = c
	}
	l.worst = max(l.worst, took)
	return nil
}

// Worst returns how long the longest call took to end.
func (l *Ledger) Worst() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.worst
}

// Compare reports calls of which their callers were told what is not so. times is how often each was executed.
func (l *Ledger) Compare(t testing.TB, times map[uint64]int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	count := make(map[outcome]int)
	for id, c := range l.calls {
		count[c.outcome]++
		n := times[id]
		if n > 1 && !c.idempotent || n == 0 && c.outcome == executed || n > 0 && c.outcome == notExecuted {
			t.Errorf("call %d was executed %d times, and its caller was told that %s", id, n, c.outcome)
		}
	}
	for id, n := range times {
		if _, ok := l.calls[id]; !ok {
			t.Errorf("call %d, which has not ended, was executed %d times", id, n)
		}
	}
	t.Logf("of %d calls their callers were told: of %d that they were executed, of %d that they were not, of %d that they may have been; "+
		"the longest took %v", len(l.calls), count[executed], count[notExecuted], count[maybeExecuted], l.worst)
}
