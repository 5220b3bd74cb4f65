package board

import (
	"math"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	for i := range Buckets {
		end := Bound(i)
		if got := bucket(int64(end) - 1); got != i {
			t.Errorf("bucket(%v - 1ns): got %d, want %d", end, got, i)
		}
		if i == Buckets-1 {
			break
		}
		if got := bucket(int64(end)); got != i+1 {
			t.Errorf("bucket(%v): got %d, want %d", end, got, i+1)
		}
		if i > 0 && end > Bound(i-1)*5/4 {
			t.Errorf("bucket %d goes from %v to %v: that is more than a quarter", i, Bound(i-1), end)
		}
	}
	for _, test := range []struct {
		ns   int64
		want int
	}{{-1, 0}, {0, 0}, {255, 0}, {256, 1}, {math.MaxInt64, Buckets - 1}, {math.MinInt64, 0}} {
		if got := bucket(test.ns); got != test.want {
			t.Errorf("bucket(%d): got %d, want %d", test.ns, got, test.want)
		}
	}
	for _, i := range []int{Buckets - 1, Buckets, math.MaxInt} {
		if got := Bound(i); got != math.MaxInt64 {
			t.Errorf("Bound(%d): got %v", i, got)
		}
	}
	if first, last := Bound(0), Bound(Buckets-2); first > time.Microsecond || last < 4*time.Minute {
		t.Errorf("the buckets go from %v to %v", first, last)
	}
}
