package hotlinetest

import (
	"bytes"
	"sync"
)

// testLog writes to the log of a test, each line by itself, as long as the test runs: a method that does not end with it
// may have something to say later.
type testLog struct {
	t T

	mu   sync.Mutex
	over bool // guarded by mu
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.t.Logf("%s", bytes.TrimRight(p, "\n"))
	}
	return len(p), nil
}

// end lets nothing more through.
func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}
