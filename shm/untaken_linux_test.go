package shm

import (
	"math/rand/v2"
	"slices"
	"testing"

	"hotline/internal/wire"
)

// TestUntakenFrames: at any moment the frames that were published and not taken are found, wherever they lie.
func TestUntakenFrames(t *testing.T) {
	out, in := newRing(t, 16<<10)
	out.first, out.lap = 4<<10, 4<<10 // so that the writer often goes back to the front
	random := rand.New(rand.NewPCG(1, 2))
	var left []uint64
	buf := make([]byte, out.win.maxFrame())
	for id := uint64(1); id < 5000; id++ {
		h := frame(random.IntN(len(buf) + 1))
		h.ID = id
		span := frameSpan(int(h.Length))
		if fits, err := out.fits(span); err != nil {
			t.Fatal(err)
		} else if fits {
			out.put(h, nil, buf[:h.Length])
			out.publish(span)
			left = append(left, id)
		}
		for random.IntN(2) == 0 && in.ready() {
			if _, err := in.next(); err != nil {
				t.Fatal(err)
			}
			in.read(buf)
			in.finish()
			left = left[1:]
		}
		var got []uint64
		out.untaken(func(h wire.Header) { got = append(got, h.ID) })
		if !slices.Equal(got, left) {
			t.Fatalf("after %d: got %d, want %d", id, got, left)
		}
	}
}

// TestUntakenOfAHostilePeer: words and frames that are not what we wrote end the walk.
func TestUntakenOfAHostilePeer(t *testing.T) {
	for name, spoil := range map[string]func(s *sink){
		"head behind the tail":  func(s *sink) { s.win.head.Store(s.tail + frameAlign) },
		"head between lines":    func(s *sink) { s.win.head.Store(1) },
		"header of zeros":       func(s *sink) { clear(s.win.data) },
		"header of ones":        func(s *sink) { fillWith(s.win.data, 0xff) },
		"frame beyond the tail": func(s *sink) { frame(4000).Put(s.win.data) },
		"nothing but rewinds":   func(s *sink) { copy(s.win.data, []byte{0, 0, 0, 0, 255, 0, 0, 0}) },
	} {
		out, _ := newRing(t, 16<<10)
		for range 3 {
			out.put(frame(0), nil, nil)
			out.publish(frameSpan(0))
		}
		spoil(out)
		out.untaken(func(h wire.Header) { t.Errorf("%s: got %+v", name, h) })
	}
}

func fillWith(p []byte, v byte) {
	for i := range p {
		p[i] = v
	}
}
