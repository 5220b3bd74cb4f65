package spin

import (
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// countdown returns a condition that is true from the n-th look on, and the number of looks.
func countdown(n int) (ready func() bool, looks *int) {
	looks = new(int)
	return func() bool {
		*looks++
		return *looks >= n
	}, looks
}

// never counts looks at something that doesn't come.
func never() (ready func() bool, looks *int) { return countdown(math.MaxInt) }

func TestWaitFindsAtOnce(t *testing.T) {
	w := NewWaiter(NewGroup(2), 0)
	ready, looks := countdown(1)
	if !w.Wait(ready) || *looks != 1 {
		t.Errorf("Wait for what is there took %d looks", *looks)
	}
}

func TestWaitFindsInTime(t *testing.T) {
	w := NewWaiter(NewGroup(2), time.Minute)
	for _, n := range []int{2, tightLooks, tightLooks + 1, tightLooks + 2, 10 * tightLooks} {
		ready, looks := countdown(n)
		if !w.Wait(ready) || *looks != n {
			t.Errorf("Wait for what comes at look %d took %d looks", n, *looks)
		}
	}
}

// TestNoSpin: where spinning makes no sense a wait looks once.
func TestNoSpin(t *testing.T) {
	for name, w := range map[string]Waiter{
		"the zero value":          {},
		"no group":                NewWaiter(nil, 0),
		"one CPU":                 NewWaiter(NewGroup(1), 0),
		"one CPU and a half":      NewWaiter(NewGroup(1.5), 0),
		"a negative longest spin": NewWaiter(NewGroup(8), -1),
	} {
		ready, looks := never()
		if w.Wait(ready) || *looks != 1 {
			t.Errorf("%s: Wait took %d looks", name, *looks)
		}
	}
}

// TestLongPhaseStops: a waiter that spins for nothing soon leaves the long phase out, and tries it again more and more
// rarely. What comes in time brings it back.
func TestLongPhaseStops(t *testing.T) {
	w := NewWaiter(NewGroup(2), time.Nanosecond)
	long := 0
	for range 1000 {
		ready, _ := never()
		left := w.left
		if w.Wait(ready) {
			t.Fatal("Wait found what never comes")
		}
		if w.left != left-1 {
			long++
		}
	}
	if long < 5 || long > 12 {
		t.Errorf("%d of 1000 waits for nothing were long", long)
	}
	for w.left > 0 { // up to the next try
		ready, _ := never()
		w.Wait(ready)
	}
	w.max = time.Minute
	ready, _ := countdown(tightLooks + 50)
	if !w.Wait(ready) {
		t.Error("the long phase didn't find what came")
	}
	ready, _ = countdown(tightLooks + 50)
	if !w.Wait(ready) {
		t.Error("the long phase is left out after it has paid")
	}
}

// TestShared: a waiter that gets its answers by giving its CPU to the peer moves, more and more rarely where that does not
// help, and goes on waiting.
func TestShared(t *testing.T) {
	w := NewWaiter(NewGroup(2), time.Minute)
	share := func() {
		t.Helper()
		w.shared = w.turns
		ready, _ := countdown(tightLooks + 10)
		if !w.Wait(ready) {
			t.Error("Wait gave up")
		}
		if w.shared > 1 {
			t.Errorf("%d turns on one CPU are counted after the thread has moved", w.shared)
		}
	}
	for _, turns := range []int{2 * shareTurns, 4 * shareTurns, 8 * shareTurns} {
		if share(); w.turns != turns {
			t.Errorf("the next move is after %d turns, want %d", w.turns, turns)
		}
	}
	for range apartWaits {
		ready, _ := countdown(2)
		w.Wait(ready)
	}
	if share(); w.turns != 2*shareTurns {
		t.Errorf("the next move is after %d turns, want %d, as the last one had helped", w.turns, 2*shareTurns)
	}
	for range 20 {
		share()
	}
	if w.turns != shareLast {
		t.Errorf("the next move is after %d turns, want %d", w.turns, shareLast)
	}
}

// TestWary: a waiter that has lost a time slice by yielding doesn't yield for some time.
func TestWary(t *testing.T) {
	w := NewWaiter(NewGroup(2), time.Minute)
	w.wary = 2
	for range 2 {
		before := w.wary
		ready, _ := countdown(tightLooks + 10)
		if !w.Wait(ready) || w.wary != before-1 {
			t.Errorf("wary went from %d to %d", before, w.wary)
		}
	}
}

// TestCrowd: places whose slow waits take turns know of each other, and one that is alone for a while forgets.
func TestCrowd(t *testing.T) {
	g := NewGroup(2)
	a, b := NewWaiter(g, time.Minute), NewWaiter(g, time.Minute)
	long := a.Longer(2)
	slow := func(w *Waiter) {
		t.Helper()
		ready, _ := countdown(tightLooks + 10)
		if !w.Wait(ready) {
			t.Error("Wait gave up")
		}
	}
	slow(&a)
	slow(&b)
	slow(&a)
	if a.crowd != crowdWaits || b.crowd != crowdWaits {
		t.Errorf("two busy places: %d and %d waits are for a crowd, want %d", a.crowd, b.crowd, crowdWaits)
	}
	for range crowdWaits {
		slow(&a)
		slow(&long)
	}
	if a.crowd != 0 || long.crowd != 0 {
		t.Errorf("a lone place has %d and %d waits left for a crowd", a.crowd, long.crowd)
	}
}

func TestLonger(t *testing.T) {
	g := NewGroup(2)
	w := NewWaiter(g, 0)
	if long := w.Longer(3); long.max != 3*DefaultMax || !long.Enabled() {
		t.Errorf("three times the default: %v", long.max)
	}
	w = NewWaiter(g, -1)
	if long := w.Longer(3); long.Enabled() {
		t.Error("longer than never spins")
	}
}

// TestGroup: no more waiters spin at once than the group allows, and the others don't wait for them.
func TestGroup(t *testing.T) {
	g := NewGroup(3)
	a, b, c := g.enter(), g.enter(), g.enter()
	if !a || !b || c {
		t.Fatalf("a group for 3 CPUs lets %v, %v, %v in", a, b, c)
	}
	w := NewWaiter(g, time.Minute)
	ready, _ := never()
	if w.Wait(ready) {
		t.Error("Wait found what never comes")
	}
	g.leave()
	ready, _ = countdown(tightLooks + 10)
	if !w.Wait(ready) {
		t.Error("Wait gave up though the group had room")
	}
	if n := g.spinning.Load(); n != 1 {
		t.Errorf("%d waiters are said to spin, want 1", n)
	}
}

func TestCPUs(t *testing.T) {
	if n := CPUs(); n < 1 {
		t.Errorf("CPUs: %v", n)
	}
	inf := math.Inf(1)
	for _, c := range []struct {
		affinity, procs int
		quota, want     float64
	}{
		{1, 1, inf, 1},
		{1, 8, 8, 1},
		{8, 8, inf, 8},
		{8, 4, inf, 4},
		{4, 8, inf, 4},
		{8, 8, 2.5, 2.5},
		{8, 1, inf, 2},
		{8, 8, 0.5, 2},
	} {
		if got := countOn(c.affinity, c.procs, c.quota); got != c.want {
			t.Errorf("%d CPUs, GOMAXPROCS %d, a quota of %v: %v, want %v", c.affinity, c.procs, c.quota, got, c.want)
		}
	}
}

// TestLoneProcessor: where Go has one processor, a goroutine that waits lets the others run: those that it spins for,
// and those that would be kept waiting by waits that end soon.
func TestLoneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	g := NewGroup(2)
	if !g.lone {
		t.Fatal("the group has not seen GOMAXPROCS")
	}
	w := NewWaiter(g, time.Hour)
	var set atomic.Bool
	go set.Store(true)
	if !w.Wait(set.Load) {
		t.Error("Wait gave up before what it waits for could run")
	}
	ran := make(chan struct{})
	go close(ran)
	for range 2 * loneTurns {
		ready, _ := countdown(2)
		w.Wait(ready)
	}
	select {
	case <-ran:
	default:
		t.Errorf("after %d waits another goroutine has not run", 2*loneTurns)
	}
}

// BenchmarkPause is one pause of the CPU.
func BenchmarkPause(b *testing.B) {
	for b.Loop() {
		pause(1)
	}
}

// BenchmarkMiss is a wait for nothing once the waiter has learnt that it doesn't pay.
func BenchmarkMiss(b *testing.B) {
	w := NewWaiter(NewGroup(2), 0)
	ready := func() bool { return false }
	for b.Loop() {
		w.Wait(ready)
	}
}
