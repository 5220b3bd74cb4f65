package codec_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// One codec serves all the calls of a process at once.
func TestConcurrent(t *testing.T) {
	values := ptrs(1, "text", []byte("bytes"), Base{2, "b"}, []string{"x", "y"}, map[string]Base{"k": {3, "c"}})
	for _, c := range structured() {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 50 {
					src, err := c.Append(nil, values)
					if err != nil {
						t.Errorf("%s: %v", c.Name(), err)
						return
					}
					_ = c.Decode(src[:len(src)/2], zeros(values)) // a failure beside must not disturb the others
					got := zeros(values)
					if err := c.Decode(src, got); err != nil || !cmp.Equal(values, got) {
						t.Errorf("%s: got %v, %v", c.Name(), got, err)
						return
					}
				}
			})
		}
		group.Wait()
	}
}
