package manager

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// histogramOf counts durations as a worker does.
func histogramOf(all []time.Duration) Histogram {
	h := Histogram{Counts: make([]uint64, Buckets)}
	for _, d := range all {
		i := 0
		for d >= Bound(i) {
			i++
		}
		h.Counts[i]++
		h.Sum += d
	}
	return h
}

func TestQuantile(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 20 {
		var all []time.Duration
		for range 1 + random.IntN(5000) {
			all = append(all, time.Duration(math.Exp(random.NormFloat64()*2+13))) // about 440 µs
		}
		h := histogramOf(all)
		slices.Sort(all)
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
			exact := all[int(math.Ceil(q*float64(len(all))))-1]
			if got := h.Quantile(q); got < exact*4/5-256 || got > exact*5/4+256 {
				t.Errorf("round %d, %d calls: Quantile(%v): got %v, want about %v", round, len(all), q, got, exact)
			}
		}
	}
	one := histogramOf([]time.Duration{time.Millisecond})
	for _, q := range []float64{-1, 0, 0.5, 1, 2} {
		if got := one.Quantile(q); got < 700*time.Microsecond || got > 1300*time.Microsecond {
			t.Errorf("of 1 ms alone: Quantile(%v): got %v", q, got)
		}
	}
	if got := one.Quantile(math.NaN()); got != 0 {
		t.Errorf("Quantile(NaN): got %v", got)
	}
	if got := (Histogram{}).Quantile(0.5); got != 0 {
		t.Errorf("of no calls: got %v", got)
	}
	if got, want := histogramOf([]time.Duration{time.Hour}).Quantile(0.5), Bound(Buckets-2); got != want {
		t.Errorf("of one hour: got %v, want %v", got, want)
	}
}

func TestHistogramSubAndAdd(t *testing.T) {
	early := []time.Duration{time.Microsecond, time.Second}
	late := []time.Duration{3 * time.Millisecond, time.Second}
	a, b, both := histogramOf(early), histogramOf(late), histogramOf(slices.Concat(early, late))
	tests := []struct {
		name      string
		got, want Histogram
	}{
		{"Sub", both.Sub(a), b},
		{"Sub of itself", a.Sub(a), histogramOf(nil)},
		{"Sub of nothing", a.Sub(Histogram{}), a},
		{"Sub of a process that has ended", b.Sub(both), b},
		{"Sub of another process with less time", b.Sub(a), b},
		{"Add", a.Add(b), both},
		{"Add of nothing", a.Add(Histogram{}), a},
		{"Add to nothing", Histogram{}.Add(a), a},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", test.name, diff)
		}
	}
	if both.Count() != 4 || (Histogram{}).Count() != 0 {
		t.Errorf("Count: got %d", both.Count())
	}
}
