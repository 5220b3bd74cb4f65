// Package wait is how tests wait for what other goroutines, processes or the kernel do: for a condition, never for a time.
// What does not come in Limit fails the test, with the stacks of all goroutines. Limit is no measure of anything: a test that
// passes never waits as long.
package wait

import (
	"runtime"
	"testing"
	"time"
)

// Limit is how long a test waits for what must come. A go build with a cold cache is among it, on a machine that is busy.
const Limit = 5 * time.Minute

// pause is between two looks at a condition.
const pause = time.Millisecond

// Until waits until holds returns true. It is called again and again by the test's own goroutine. what says, in a failure, what
// was waited for.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(Limit); !holds(); time.Sleep(pause) {
		if time.Now().After(end) {
			fail(t, what)
		}
	}
}

// Return waits until f, which runs on a goroutine of its own, has returned.
func Return(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	Receive(t, what, done)
}

// Receive waits for the next value of a channel, or its end, and returns the value.
func Receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Limit):
		fail(t, what)
		panic("not reached")
	}
}

func fail(t testing.TB, what string) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	t.Fatalf("after %v: %s\n%s", Limit, what, stacks[:runtime.Stack(stacks, true)])
}
