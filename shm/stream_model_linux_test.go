package shm_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hotline/internal/wait"
	"hotline/shm"
)

// TestStreamRandom moves bytes both ways in Writes and Reads of random sizes, under deadlines that random goroutines
// change all the time, until each direction ends in a random way. What is read is what was written: all of it where the
// writer has ended in peace.
func TestStreamRandom(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 4
	}
	path := startReady(t, "stream relay")
	for seed := range seeds {
		t.Run(fmt.Sprintf("one process/%d", seed), func(t *testing.T) {
			size := shm.MinRingSize << (seed % 3)
			a, b := streamPair(t, &shm.Options{RingSize: size})
			randomRun(t, a, b, seed, false)
		})
		t.Run(fmt.Sprintf("two processes/%d", seed), func(t *testing.T) {
			a, b := relayedPair(t, path)
			randomRun(t, a, b, seed, true)
		})
	}
}

// direction is one way of a random run.
type direction struct {
	from, to *shm.Stream
	written  atomic.Int64 // as Write says
}

// randomRun moves bytes between two streams. One that is relayed may lose the last bytes when an end is closed before the
// other has ended: the way has another end, in the middle.
func randomRun(t *testing.T, a, b *shm.Stream, seed uint64, relayed bool) {
	random := rand.New(rand.NewPCG(seed, 1))
	abrupt := random.IntN(3) == 0 // a is closed while everything is under way
	ways := []*direction{{from: a, to: b}, {from: b, to: a}}
	var movers, others sync.WaitGroup
	stop := make(chan struct{})
	for i, s := range []*shm.Stream{a, b} {
		random := rand.New(rand.NewPCG(seed, uint64(10+i)))
		others.Go(func() { fiddle(s, random, stop) })
	}
	for i, d := range ways {
		writes, reads := rand.New(rand.NewPCG(seed, uint64(20+i))), rand.New(rand.NewPCG(seed, uint64(30+i)))
		total := writes.IntN(2 << 20)
		movers.Go(func() { d.write(t, writes, total, abrupt) })
		movers.Go(func() { d.read(t, reads, total, abrupt, relayed) })
	}
	if abrupt {
		others.Go(func() {
			time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)
			_ = a.Close()
		})
	}
	wait.Return(t, "a random run", movers.Wait)
	close(stop)
	wait.Return(t, "the others", others.Wait)
	_, _ = a.Close(), b.Close()
}

// fiddle sets deadlines until stop is closed.
func fiddle(s *shm.Stream, random *rand.Rand, stop <-chan struct{}) {
	for {
		at := time.Now().Add(time.Duration(random.IntN(600)-200) * time.Microsecond)
		if random.IntN(4) == 0 {
			at = time.Time{}
		}
		switch random.IntN(3) {
		case 0:
			_ = s.SetDeadline(at)
		case 1:
			_ = s.SetReadDeadline(at)
		case 2:
			_ = s.SetWriteDeadline(at)
		}
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(random.IntN(200)) * time.Microsecond):
		}
	}
}

// write sends total bytes of the pattern, and ends the direction.
func (d *direction) write(t *testing.T, random *rand.Rand, total int, abrupt bool) {
	p := make([]byte, 200_000)
	for at := 0; at < total; {
		q := p[:min(total-at, 1+random.IntN(1<<random.IntN(18)))]
		pattern(q, at)
		n, err := d.from.Write(q)
		if n < 0 || n > len(q) || (err == nil) != (n == len(q)) {
			t.Errorf("Write of %d bytes: %d, %v", len(q), n, err)
			return
		}
		at += n
		d.written.Store(int64(at))
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			_ = d.from.SetWriteDeadline(time.Time{})
		case abrupt && (errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE)):
			return
		default:
			t.Errorf("Write: %v", err)
			return
		}
	}
	if err := d.from.CloseWrite(); err != nil && !(abrupt && errors.Is(err, net.ErrClosed)) {
		t.Errorf("CloseWrite: %v", err)
	}
}

// read takes what comes until the direction ends.
func (d *direction) read(t *testing.T, random *rand.Rand, total int, abrupt, relayed bool) {
	p := make([]byte, 200_000)
	got := 0
	for {
		q := p[:1+random.IntN(1<<random.IntN(18))]
		n, err := d.to.Read(q)
		if i := firstWrong(q[:n], got); i >= 0 {
			t.Errorf("byte %d is wrong", i)
			return
		}
		got += n
		switch {
		case err == nil && n > 0:
		case errors.Is(err, os.ErrDeadlineExceeded):
			_ = d.to.SetReadDeadline(time.Time{})
		case err == io.EOF && !abrupt:
			if got != total {
				t.Errorf("%d bytes came of %d", got, total)
			}
			return
		case abrupt && errors.Is(err, net.ErrClosed):
			return
		case abrupt && (err == io.EOF || errors.Is(err, syscall.ECONNRESET)):
			if written := int(d.written.Load()); !relayed && got < written {
				t.Errorf("%d bytes came of %d that were written", got, written)
			}
			return
		default:
			t.Errorf("Read: %d, %v", n, err)
			return
		}
	}
}

// FuzzStream plays a schedule on both ends of a stream, step by step, beside a model that knows of each direction
// how many bytes are under way and who has ended what.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0, 10, 1, 20, 2, 5, 3, 5, 4, 0, 2, 30, 2, 30})
	f.Add([]byte{0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 3, 255, 0, 255, 3, 255, 3, 255, 4, 0, 3, 255, 3, 255, 6, 0, 1, 1})
	f.Add([]byte{0, 7, 6, 0, 3, 200, 3, 1, 1, 4})
	f.Add([]byte{0, 7, 1, 9, 5, 0, 7, 0, 2, 20, 2, 20, 0, 1})
	f.Add([]byte{8, 0, 9, 0, 0, 100, 2, 3, 4, 1, 5, 1, 2, 2, 3, 3})
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 400 {
			return
		}
		a, b := streamPair(t, &shm.Options{RingSize: shm.MinRingSize})
		defer a.Close()
		defer b.Close()
		m := model{ends: [2]*end{{s: a}, {s: b}}}
		for i := 0; i+1 < len(steps); i += 2 {
			op, arg := steps[i]/2%5, int(steps[i+1])
			m.step(t, int(steps[i]%2), op, arg*arg)
		}
	})
}

// model is what a connection should be.
type model struct{ ends [2]*end }

// end is one end of a connection in the model, and the real one.
type end struct {
	s         *shm.Stream
	written   int  // bytes that Writes have taken
	read      int  // of what the other end has written
	shut      bool // CloseWrite was called
	closed    bool // Close was called
	wroteLate bool // a Write to a peer that had closed was taken
}

// room is less than a ring of MinRingSize holds of Writes as short as one byte.
const room = 500

func (m *model) step(t *testing.T, who int, op byte, size int) {
	me, peer := m.ends[who], m.ends[1-who]
	switch op {
	case 0:
		m.write(t, me, peer, size)
	case 1:
		m.read(t, me, peer, size)
	case 2:
		err := me.s.CloseWrite()
		if want := me.ifClosed(); !errors.Is(err, want) {
			t.Fatalf("CloseWrite: %v, want %v", err, want)
		}
		me.shut = me.shut || !me.closed
	case 3:
		if err := me.s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		me.closed = true
	case 4: // deadlines that have passed: nothing moves, and nothing is lost
		me.setDeadline(t, time.Unix(1, 0))
		n, err := me.s.Read(make([]byte, 1))
		if want := me.or(os.ErrDeadlineExceeded); n != 0 || !errors.Is(err, want) {
			t.Fatalf("Read with a past deadline: %d, %v, want %v", n, err, want)
		}
		want := me.or(os.ErrDeadlineExceeded)
		if me.shut && !me.closed {
			want = syscall.EPIPE
		}
		if n, err := me.s.Write([]byte{1}); n != 0 || !errors.Is(err, want) {
			t.Fatalf("Write with a past deadline: %d, %v, want %v", n, err, want)
		}
		me.setDeadline(t, time.Time{})
	}
}

// ifClosed returns net.ErrClosed after Close, else nil.
func (e *end) ifClosed() error { return e.or(nil) }

// or returns net.ErrClosed after Close, else err.
func (e *end) or(err error) error {
	if e.closed {
		return net.ErrClosed
	}
	return err
}

func (e *end) setDeadline(t *testing.T, at time.Time) {
	t.Helper()
	if err, want := e.s.SetDeadline(at), e.ifClosed(); !errors.Is(err, want) {
		t.Fatalf("SetDeadline: %v, want %v", err, want)
	}
}

func (m *model) write(t *testing.T, me, peer *end, size int) {
	p := make([]byte, size)
	pattern(p, me.written)
	sure := me.written+size-peer.read < room && me.written-peer.read < room // it has room, and need not wait
	if !sure && !me.closed {
		me.setDeadline(t, time.Now().Add(500*time.Microsecond))
	}
	n, err := me.s.Write(p)
	if !me.closed {
		me.setDeadline(t, time.Time{})
	}
	switch {
	case me.closed || me.shut:
		if want := me.or(syscall.EPIPE); n != 0 || !errors.Is(err, want) {
			t.Fatalf("Write: %d, %v, want %v", n, err, want)
		}
		return
	case err == nil && n == size:
	case errors.Is(err, syscall.EPIPE) && peer.closed:
	case errors.Is(err, os.ErrDeadlineExceeded) && !sure:
	default:
		t.Fatalf("Write of %d bytes: %d, %v", size, n, err)
	}
	if n < 0 || n > size {
		t.Fatalf("Write of %d bytes: %d", size, n)
	}
	me.written += n
	me.wroteLate = me.wroteLate || peer.closed && n > 0
}

func (m *model) read(t *testing.T, me, peer *end, size int) {
	p := make([]byte, size)
	under := peer.written - me.read
	waits := under == 0 && !peer.shut && !peer.closed && size > 0
	if waits && !me.closed {
		me.setDeadline(t, time.Now().Add(500*time.Microsecond))
	}
	n, err := me.s.Read(p)
	if waits && !me.closed {
		me.setDeadline(t, time.Time{})
	}
	var want error
	switch {
	case me.closed:
		want = net.ErrClosed
	case waits:
		want = os.ErrDeadlineExceeded
	case under == 0 && size > 0:
		want = io.EOF
		if !peer.shut && (peer.read < me.written || me.wroteLate) {
			want = syscall.ECONNRESET
		}
	case size > 0 && n == 0 || n > min(size, under):
		t.Fatalf("Read of up to %d bytes where %d are under way: %d, %v", size, under, n, err)
	}
	if !errors.Is(err, want) || want != nil && n != 0 {
		t.Fatalf("Read: %d, %v, want %v", n, err, want)
	}
	if i := firstWrong(p[:n], me.read); i >= 0 {
		t.Fatalf("byte %d is wrong", i)
	}
	me.read += n
}
