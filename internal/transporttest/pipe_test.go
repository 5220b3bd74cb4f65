package transporttest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The pipe that other tests use for a transport keeps the contract.
func TestPipe(t *testing.T) {
	for _, part := range contract {
		t.Run(part.name, func(t *testing.T) {
			for _, o := range []*PipeOptions{nil, {MaxFrame: 4 << 10, Capacity: 8 << 10}} {
				a, b := Pipe(o)
				defer a.Close()
				defer b.Close()
				part.test(t, a, b)
			}
		})
	}
}
