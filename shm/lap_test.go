package shm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"hotline/internal/wire"
)

// newLapRing is newRing with laps that are short at rest.
func newLapRing(t testing.TB, size int, lap uint64) (*sink, *source) {
	t.Helper()
	out, in := newRing(t, size)
	*out = newSink(out.win, lap)
	return out, in
}

// put puts a frame with n bytes, and reports false if there is no room.
func put(t *testing.T, out *sink, n, seed int) bool {
	t.Helper()
	span := frameSpan(n)
	if fits, err := out.fits(span); !fits || err != nil {
		if err != nil {
			t.Fatal(err)
		}
		return false
	}
	p := make([]byte, n)
	fill(p, seed)
	out.put(frame(n), nil, p)
	out.publish(span)
	return true
}

// takeFrame takes the frame with n bytes that put has put.
func takeFrame(t *testing.T, in *source, n, seed int) {
	t.Helper()
	if !in.ready() {
		t.Fatal("a published frame is not seen")
	}
	h, err := in.next()
	if err != nil || h != *frame(n) {
		t.Fatalf("next: %+v, %v, want a frame of %d bytes", h, err, n)
	}
	got, want := make([]byte, n), make([]byte, n)
	in.read(got)
	if fill(want, seed); !bytes.Equal(got, want) {
		t.Fatalf("a frame of %d bytes at %d came out different", n, in.head)
	}
	in.finish()
}

// TestLapsAreShort: while the reader keeps up, a large ring uses as much memory as a small one.
func TestLapsAreShort(t *testing.T) {
	const size, lap = 16 << 10, 1 << 10
	out, in := newLapRing(t, size, lap)
	for i := range 1000 {
		n := i % 200
		if !put(t, out, n, i) {
			t.Fatalf("no room for frame %d", i)
		}
		if i > 0 {
			takeFrame(t, in, (i-1)%200, i-1) // always one frame behind
		}
	}
	if out.high > 2*lap || out.grown() || out.tail < 10*size {
		t.Errorf("%d bytes of a ring of %d were used, after %d in all: want at most two laps of %d", out.high, size, out.tail, lap)
	}
}

// TestLapsGrow: a reader that is behind makes the writer use all of the ring, and laps that were too short get longer until
// there was no need for a while.
func TestLapsGrow(t *testing.T) {
	const size, lap = 16 << 10, 1 << 10
	out, in := newLapRing(t, size, lap)
	frames := 0
	for put(t, out, 32, frames) {
		frames++
	}
	if frames != size/frameAlign || out.high != size || !out.grown() {
		t.Errorf("%d frames of a line fitted, up to %d, grown %v: want all of %d bytes", frames, out.high, out.grown(), size)
	}
	for range 10 {
		out.grow()
	}
	if out.lap != size {
		t.Errorf("laps of %d bytes, want the whole ring of %d", out.lap, size)
	}
	for i := range frames {
		takeFrame(t, in, 32, i)
	}
	for i, want := range []struct {
		rests bool
		lap   uint64
	}{{false, size}, {true, lap}} { // the first had a wait and large traffic before it
		if rests, err := out.settle(); rests != want.rests || out.lap != want.lap || err != nil {
			t.Errorf("settle %d: %v, laps of %d, %v, want %+v", i, rests, out.lap, err, want)
		}
	}
	put(t, out, 32, 1)
	if rests, err := out.settle(); rests || err != nil {
		t.Errorf("settle with a frame unread: %v, %v", rests, err)
	}
	takeFrame(t, in, 32, 1)
	out.win.head.Store(1 << 40)
	if _, err := out.settle(); !errors.As(err, new(*wire.ProtocolError)) {
		t.Errorf("settle with a wrong head: %v, want a protocol error", err)
	}
}

// TestLapsRandom: frames of random sizes, a reader that is behind by a random amount, and a writer whose laps change
// at random times. They come out as they went in, what is given back is never missed, and an empty ring has room for
// every frame.
func TestLapsRandom(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		size := 4096 << random.IntN(4)
		out, in := newLapRing(t, size, 1024<<random.IntN(3))
		var unread []int // the lengths of frames
		first, given := 0, 0
		for step := range 2000 {
			switch op := random.IntN(100); {
			case op < 48:
				n := random.IntN(1 + out.win.maxFrame()>>random.IntN(8))
				empty := len(unread) == 0
				if put(t, out, n, first+len(unread)) {
					unread = append(unread, n)
				} else if out.grow(); empty {
					t.Fatalf("seed %d, step %d: no room for %d bytes in an empty ring", seed, step, n)
				}
			case op < 96:
				if len(unread) == 0 {
					if in.ready() {
						t.Fatalf("seed %d, step %d: an empty ring is ready", seed, step)
					}
					continue
				}
				takeFrame(t, in, unread[0], first)
				unread, first = unread[1:], first+1
			default:
				rests, err := out.settle()
				if err != nil || rests && len(unread) != 0 {
					t.Fatalf("seed %d, step %d: settle with %d frames unread: %v, %v", seed, step, len(unread), rests, err)
				}
				if rests {
					clear(out.win.data[out.first:])
					given++
				}
			}
			if out.lap < out.first || out.lap > out.win.size || out.tail-in.head > out.win.size {
				t.Fatalf("seed %d, step %d: laps of %d, tail %d, head %d, ring of %d", seed, step, out.lap, out.tail, in.head, size)
			}
		}
		if first < 100 {
			t.Errorf("seed %d: only %d frames came through", seed, first)
		}
	}
}

// TestHostileRewind: a mark in a wrong place is a protocol error.
func TestHostileRewind(t *testing.T) {
	for _, c := range []struct {
		name     string
		head     uint64
		tail     uint64
		twice    bool
		accepted bool
	}{
		{"good", 1024, 4096 + 64, false, true},
		{"nothing behind it", 1024, 4096, false, false},
		{"less than it leaves out", 1024, 1024 + 64, false, false},
		{"at the front", 0, 4096, false, false},
		{"twice", 1024, 4096 + 64, true, false},
		{"in the last line", 4096 - 64, 4096 + 64, false, true},
	} {
		out, in := newRing(t, 4096)
		frame(0).Put(out.win.data)
		if c.twice {
			binary.LittleEndian.PutUint64(out.win.data, rewindMark)
		}
		binary.LittleEndian.PutUint64(out.win.data[c.head:], rewindMark)
		in.head = c.head
		out.win.tail.Store(c.tail)
		_, err := in.next()
		var protocol *wire.ProtocolError
		if (err == nil) != c.accepted || !c.accepted && !errors.As(err, &protocol) {
			t.Errorf("a rewind %s: %v", c.name, err)
		}
	}
}
