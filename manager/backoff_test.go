package manager

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	b := &backoff{min: 100 * ms, max: 30 * time.Second, stable: time.Minute}
	tests := []struct {
		ready   time.Duration
		random  float64
		want    time.Duration
		looping bool
	}{
		{0, 0, 100 * ms, false},
		{0, 0, 200 * ms, false},
		{59 * time.Second, 0, 400 * ms, false},
		{0, 0.5, 720 * ms, false},      // half of a fifth less
		{0, 0, 30 * time.Second, true}, // the fifth in a row
		{59 * time.Second, 0, 30 * time.Second, true},
		{0, 0.999, 24006 * ms, true},
		{time.Minute, 0, 100 * ms, false}, // it was stable
		{0, 0, 200 * ms, false},
		{0, 0, 400 * ms, false},
		{0, 0, 800 * ms, false},
		{time.Hour, 0, 100 * ms, false}, // before the fifth
		{0, 0, 200 * ms, false},
	}
	for i, test := range tests {
		b.random = func() float64 { return test.random }
		if got := b.after(test.ready); got != test.want || b.looping() != test.looping {
			t.Errorf("%d: after(%v): got %v, looping %v, want %v, %v", i, test.ready, got, b.looping(), test.want, test.looping)
		}
	}
	// A short limit is met before the loop is.
	b = &backoff{min: 100 * ms, max: 300 * ms, stable: time.Minute, random: func() float64 { return 0 }}
	for i, want := range []time.Duration{100 * ms, 200 * ms, 300 * ms, 300 * ms, 300 * ms} {
		if got := b.after(0); got != want {
			t.Errorf("%d: got %v, want %v", i, got, want)
		}
	}
	b.reset()
	if got := b.after(0); got != 100*ms || b.looping() {
		t.Errorf("after reset: got %v, looping %v", got, b.looping())
	}
}
