package wait

import (
	"strings"
	"sync"
	"testing"
)

// Output collects what a program or a log writes, while a test reads it. The zero value is ready; it may be used by many
// goroutines.
type Output struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

// Write implements io.Writer.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

// String returns what was written until now.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Has waits until all parts were written.
func (o *Output) Has(t testing.TB, parts ...string) {
	t.Helper()
	for _, p := range parts {
		Until(t, "output with "+p, func() bool { return strings.Contains(o.String(), p) })
	}
}
