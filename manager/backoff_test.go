package manager

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	b := &backoff{min: 100 * ms, max: 30 * time.Second, stable: time.Minute}
	tests := []struct {
		ready  time.Duration
		random float64
		want   time.Duration
	}{
		{0, 0, 100 * ms},
		{0, 0, 200 * ms},
		{59 * time.Second, 0, 400 * ms},
		{0, 0.5, 720 * ms}, // half of a fifth less
		{0, 0, 1600 * ms},
		{0, 0, 3200 * ms},
		{0, 0, 6400 * ms},
		{0, 0, 12800 * ms},
		{0, 0, 25600 * ms},
		{0, 0, 30 * time.Second},
		{0, 0.999, 24006 * ms},
		{time.Minute, 0, 100 * ms}, // it was stable
		{0, 0, 200 * ms},
		{time.Hour, 0, 100 * ms},
	}
	for i, test := range tests {
		b.random = func() float64 { return test.random }
		if got := b.after(test.ready); got != test.want {
			t.Errorf("%d: after(%v): got %v, want %v", i, test.ready, got, test.want)
		}
	}
}
