package board

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// newPair returns both sides of a board.
func newPair(t testing.TB, methods, cpus int) (*View, *Board) {
	t.Helper()
	v, f, err := New(methods, cpus)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mem, err := mapFile(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBoard(mem)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unmap(mem); err != nil {
			t.Error(err)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v, b
}

func read(t testing.TB, v *View) *Reading {
	t.Helper()
	r, err := v.Read()
	if err != nil {
		t.Fatal(err)
	}
	load, err := v.Load()
	if err != nil {
		t.Fatal(err)
	}
	if load.Attached != r.Attached || load.Running != r.Running || load.Age < r.Age {
		t.Errorf("Load: got %+v after Read's %+v", load, r.Load)
	}
	return r
}

func TestCounts(t *testing.T) {
	v, b := newPair(t, 5, 3)
	first, second := b.Meter(0), b.Meter(2)
	calls := []Call{first.Begin(1), second.Begin(0), second.Begin(2)}
	r := read(t, v)
	var methods []int
	for _, c := range r.Calls {
		methods = append(methods, c.Method)
	}
	slices.Sort(methods)
	if diff := cmp.Diff([]int{1, 2, 4}, methods); diff != "" || r.Running != 3 {
		t.Errorf("under way: got %d: -want +got:\n%s", r.Running, diff)
	}
	if !slices.IsSortedFunc(r.Calls, func(a, b Running) int { return int(b.Age - a.Age) }) {
		t.Errorf("the oldest is not the first: %+v", r.Calls)
	}
	for i := range calls {
		calls[i].End(i == 2)
	}
	r = read(t, v)
	if r.Running != 0 || len(r.Calls) != 0 || r.Busy > r.Age || r.Busy > r.Spent+time.Millisecond {
		t.Errorf("idle: got %+v, %+v", r.Load, r.Calls)
	}
	for i, want := range []uint64{0, 1, 1, 0, 1} {
		m := r.Methods[i]
		if m.Calls != want || m.Running != 0 || m.Errors != want*uint64(i/4) {
			t.Errorf("method %d: got %d calls, %d running, %d errors", i, m.Calls, m.Running, m.Errors)
		}
	}
}

// Busy is the union of the times that calls took, and Spent is their sum, whoever made them at the same time.
func TestBusyAndSpent(t *testing.T) {
	v, b := newPair(t, 2, 2)
	m := b.Meter(0)
	outer := m.Begin(0)
	inner := m.Begin(1)
	busy := func(d time.Duration) func() bool {
		return func() bool { return read(t, v).Busy >= d }
	}
	until(t, busy(3*time.Millisecond))
	if r := read(t, v); r.Spent < r.Busy*3/2 {
		t.Errorf("two calls: got %v busy, %v spent", r.Busy, r.Spent)
	}
	outer.End(false)
	between := read(t, v)
	until(t, busy(between.Busy+time.Millisecond))
	inner.End(false)
	idle := read(t, v)
	until(t, func() bool { return read(t, v).Age > idle.Age+2*time.Millisecond })
	if after := read(t, v); after.Busy != idle.Busy || after.Spent != idle.Spent || after.Busy >= after.Age {
		t.Errorf("while nobody called: got %+v after %+v", after.Load, idle.Load)
	}
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
	}
}

// Many callers at once lose nothing.
func TestCallersAtOnce(t *testing.T) {
	const callers, each = 8, 5000
	v, b := newPair(t, 3, 4)
	var wg, reader sync.WaitGroup
	stop := make(chan struct{})
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if r, err := v.Read(); err != nil || r.Running > callers || len(r.Calls) > callers || r.Busy > r.Age {
				t.Errorf("Read: got %+v, %v", r.Load, err)
				return
			}
		}
	})
	for i := range callers {
		wg.Go(func() {
			m := b.Meter(0)
			if i%2 == 1 {
				m = b.Meter(1)
			}
			for n := range each {
				c := m.Begin(n % 2)
				c.End(n%4 == 0)
			}
		})
	}
	wg.Wait()
	close(stop)
	reader.Wait()
	r := read(t, v)
	var total, failed uint64
	for _, m := range r.Methods {
		total, failed = total+m.Calls, failed+m.Errors
	}
	if total != callers*each || failed != callers*each/4 || r.Running != 0 || len(r.Calls) != 0 {
		t.Errorf("got %d calls, %d errors, %+v", total, failed, r.Load)
	}
}

// Calls for which there is no place, and methods for which there is no row, are counted all the same.
func TestMoreThanThereIsRoomFor(t *testing.T) {
	v, b := newPair(t, 1, 1)
	m := b.Meter(0)
	calls := make([]Call, Places+10)
	for i := range calls {
		calls[i] = m.Begin(0)
	}
	beyond := m.Begin(1)
	r := read(t, v)
	if r.Running != Places+11 || len(r.Calls) != Places || r.Methods[0].Running != Places+10 {
		t.Errorf("got %d running, %d listed, %d of the method", r.Running, len(r.Calls), r.Methods[0].Running)
	}
	for i := range calls {
		calls[i].End(false)
	}
	beyond.End(true)
	r = read(t, v)
	if r.Running != 0 || len(r.Calls) != 0 || r.Methods[0].Running != 0 || r.Methods[0].Calls != Places+10 {
		t.Errorf("afterwards: got %+v, %+v", r.Load, r.Methods[0].Calls)
	}
	none, b0 := newPair(t, 0, 1)
	c := b0.Meter(0).Begin(0)
	if r := read(t, none); r.Running != 1 || len(r.Methods) != 0 {
		t.Errorf("a board for no method: got %+v", r)
	}
	c.End(false)
}

func TestPulseIsFull(t *testing.T) {
	var p pulse
	for i := range pulseMask {
		if !p.enter(uint64(i)) {
			t.Fatalf("enter %d: got false", i)
		}
	}
	if p.enter(1) {
		t.Error("enter of one more: got true")
	}
	if busy, running := beat(p.word.Load(), 100); busy != 100 || running != pulseMask {
		t.Errorf("got %d busy, %d running", busy, running)
	}
	for range pulseMask {
		p.leave(250)
	}
	if busy, running := beat(p.word.Load(), 300); busy != 250 || running != 0 {
		t.Errorf("at the end: got %d busy, %d running", busy, running)
	}
}

// A call that begins, by the worker's clock, a little after the manager's look has not been there for ever.
func TestPulseAhead(t *testing.T) {
	var p pulse
	p.enter(100)
	p.leave(150)
	p.enter(1001)
	if busy, running := beat(p.word.Load(), 1000); busy != 49 || running != 1 {
		t.Errorf("got %d busy, %d running", busy, running)
	}
	p = pulse{}
	p.enter(1001)
	if busy, running := beat(p.word.Load(), 1000); busy != 0 || running != 1 {
		t.Errorf("the first call: got %d busy, %d running", busy, running)
	}
}

// A worker may write anything, at any time: a reader comes to an end, and what it says is within what can be.
func TestHostileWorker(t *testing.T) {
	v, b := newPair(t, 7, 4)
	words := unsafeWords(b.header, size(7, 4))
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		for i := range words {
			switch word := &words[i]; random.IntN(4) {
			case 0:
				word.Store(random.Uint64())
			case 1:
				word.Store(math.MaxUint64)
			case 2:
				word.Store(uint64(random.Int64N(8)))
			}
		}
		r := read(t, v)
		if len(r.Methods) != 7 || len(r.Calls) > Places || r.Busy < 0 || r.Busy > r.Age || r.Spent < 0 || r.Running > pulseMask {
			t.Fatalf("round %d: got %+v", round, r.Load)
		}
		for _, c := range r.Calls {
			if c.Method >= 7 || c.Age < 0 || c.Age > r.Age {
				t.Fatalf("round %d: got %+v", round, c)
			}
		}
		for _, m := range r.Methods {
			sum := uint64(0)
			for _, n := range m.Buckets {
				sum += n
				if sum < n {
					t.Fatalf("round %d: the sum of the buckets turns over", round)
				}
			}
			if m.Running < 0 || m.Spent < 0 || m.Calls != sum || m.Errors > 4*maxCalls {
				t.Fatalf("round %d: got %d running, %v spent, %d calls, %d in the buckets, %d errors", round, m.Running, m.Spent, m.Calls,
					sum, m.Errors)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	_, f, err := New(3, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int64{0, 1 << 20} {
		if err := f.Truncate(size); err == nil {
			t.Errorf("Truncate(%d): the size of a board can be changed", size)
		}
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); err == nil {
		t.Error("a worker can add seals")
	}
	if b, err := Open(f); err != nil {
		t.Errorf("Open: got %v", err)
	} else if err := unmap(unsafeBytes(b.header, size(3, 2))); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(h *header){
		"magic":   func(h *header) { h.magic.Add(1) },
		"methods": func(h *header) { h.methods.Store(1 << 40) },
		"shards":  func(h *header) { h.shards.Store(0) },
		"more":    func(h *header) { h.shards.Store(3) },
	} {
		mem := make([]byte, size(3, 2))
		h := lay(mem, 0, 0).header
		h.magic.Store(magic)
		h.methods.Store(3)
		h.shards.Store(2)
		change(h)
		if _, err := newBoard(mem); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if _, err := newBoard(make([]byte, 100)); err == nil {
		t.Error("100 bytes: got no error")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, err := Open(null); err == nil {
		t.Error("/dev/null: got no error")
	}
}

func TestViewClosed(t *testing.T) {
	v, f, err := New(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for range 2 {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := v.Read(); err != ErrClosed {
		t.Errorf("Read: got %v", err)
	}
	if _, err := v.Load(); err != ErrClosed {
		t.Errorf("Load: got %v", err)
	}
}

// BenchmarkCall is what counting a call costs.
func BenchmarkCall(b *testing.B) {
	_, board := newPair(b, 8, 8)
	b.Run("one", func(b *testing.B) {
		m := board.Meter(0)
		for b.Loop() {
			c := m.Begin(3)
			c.End(false)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(p *testing.PB) {
			m := board.Meter(0)
			for p.Next() {
				c := m.Begin(3)
				c.End(false)
			}
		})
	})
}

// BenchmarkRead is what a manager pays for a look at a worker with twenty methods.
func BenchmarkRead(b *testing.B) {
	v, board := newPair(b, 20, 8)
	for range 8 {
		m := board.Meter(0)
		for i := range 20 {
			c := m.Begin(i)
			c.End(false)
		}
	}
	b.Run("Read", func(b *testing.B) {
		for b.Loop() {
			v.Read()
		}
	})
	b.Run("Load", func(b *testing.B) {
		for b.Loop() {
			v.Load()
		}
	})
}
