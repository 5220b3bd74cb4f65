package shm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"hotline/internal/wire"
)

// frame returns the header of a frame with n bytes.
func frame(n int) *wire.Header {
	return &wire.Header{Kind: wire.KindCall, ID: 7, Length: uint32(n), Total: uint32(n)}
}

// fill gives p contents that differ from frame to frame and from byte to byte.
func fill(p []byte, seed int) {
	for i := range p {
		p[i] = byte(seed*31 + i*7 + i>>8)
	}
}

// TestRingWraps sends frames of every length class through every position of a small ring.
func TestRingWraps(t *testing.T) {
	out, in := newRing(t, 4096)
	maxFrame := out.win.maxFrame()
	buf, got := make([]byte, maxFrame), make([]byte, maxFrame)
	for start := range 4096 / frameAlign {
		for _, n := range []int{0, 1, 31, 32, 33, 63, 64, 65, 95, 96, 97, 500, maxFrame - 1, maxFrame} {
			for out.tail%4096 != uint64(start*frameAlign) { // walk to the position
				transfer(t, out, in, nil, nil, got)
			}
			p := buf[:n]
			fill(p, start+n)
			transfer(t, out, in, p[:n/3], p[n/3:], got)
		}
	}
}

// transfer puts one frame into the ring, and takes it out again in several reads.
func transfer(t *testing.T, out *sink, in *source, metadata, payload, got []byte) {
	t.Helper()
	n := len(metadata) + len(payload)
	h := frame(n)
	span := frameSpan(n)
	if fits, err := out.fits(span); !fits || err != nil {
		t.Fatalf("fits(%d) in an empty ring: %v, %v", span, fits, err)
	}
	if in.ready() {
		t.Fatal("an empty ring is ready")
	}
	out.put(h, metadata, payload)
	if in.ready() {
		t.Fatal("a frame is seen before it is published")
	}
	out.publish(span)
	if !in.ready() {
		t.Fatal("a published frame is not seen")
	}
	gotHeader, err := in.next()
	if err != nil || gotHeader != *h {
		t.Fatalf("next: %+v, %v, want %+v", gotHeader, err, *h)
	}
	got = got[:n]
	for at := 0; at < n; {
		at += in.read(got[at:min(at+1+n/3, n)])
	}
	if in.left != 0 || !bytes.Equal(got, append(append([]byte(nil), metadata...), payload...)) {
		t.Fatalf("a frame of %d bytes at %d came out different", n, in.head)
	}
	in.finish()
}

// TestRingFills: a ring takes frames up to its last byte, and one more as soon as one is taken.
func TestRingFills(t *testing.T) {
	out, in := newRing(t, 4096)
	span := frameSpan(64)
	frames := 0
	for ; ; frames++ {
		if fits, err := out.fits(span); err != nil {
			t.Fatal(err)
		} else if !fits {
			break
		}
		out.put(frame(64), nil, make([]byte, 64))
		out.publish(span)
	}
	if want := 4096 / int(span); frames != want {
		t.Errorf("%d frames fitted, want %d", frames, want)
	}
	if at, wanted := out.roomAt(span), out.wanted(span); at != span || wanted != 4096/4 {
		t.Errorf("room is at %d, wanted %d: want %d and a quarter of the ring", at, wanted, span)
	}
	out.win.want.Store(out.wanted(span))
	for taken := span; ; taken += span {
		if _, err := in.next(); err != nil {
			t.Fatal(err)
		}
		if wakes := in.finish(); wakes != (taken == 4096/4) {
			t.Errorf("finish after %d bytes: the writer that waits for a quarter of the ring is woken: %v", taken, wakes)
		}
		if taken == 4096/4 {
			break
		}
	}
	if fits, err := out.fits(span); !fits || err != nil {
		t.Errorf("fits after a frame was taken: %v, %v", fits, err)
	}
}

// TestRingWakesOnce: the doorbell is left to one writer, and to nobody while the reader is awake.
func TestRingWakesOnce(t *testing.T) {
	out, in := newRing(t, 4096)
	put := func() bool {
		out.put(frame(0), nil, nil)
		return out.publish(frameSpan(0))
	}
	if put() {
		t.Error("a reader that is awake was to be woken")
	}
	in.sleep()
	if !put() {
		t.Error("a sleeping reader was not to be woken")
	}
	if put() {
		t.Error("a reader was to be woken twice")
	}
	in.sleep()
	in.wake()
	if put() {
		t.Error("a reader that is awake again was to be woken")
	}
}

// TestHostileTail: every wrong tail is a protocol error, and none a panic.
func TestHostileTail(t *testing.T) {
	for _, tail := range []uint64{1, 63, 4097, 4096 + 64, 1 << 20, 1 << 63, ^uint64(0), ^uint64(63)} {
		_, in := newRing(t, 4096)
		for at := 0; at < 4096; at += frameAlign { // good frames everywhere
			frame(0).Put(in.win.data[at:])
		}
		in.win.tail.Store(tail)
		_, err := in.next()
		var protocol *wire.ProtocolError
		if !errors.As(err, &protocol) {
			t.Errorf("next with tail %#x: %v, want a protocol error", tail, err)
		}
	}
}

// TestHostileHead: so is every wrong head.
func TestHostileHead(t *testing.T) {
	for _, head := range []uint64{0, 64, 127, 129, 4096, 1 << 40, ^uint64(0), ^uint64(63)} {
		out, _ := newRing(t, 4096)
		out.tail, out.head = 4096+128, 128
		out.win.head.Store(head)
		_, err := out.fits(4096)
		var protocol *wire.ProtocolError
		if good := head == 4096; (err == nil) != good || !good && !errors.As(err, &protocol) {
			t.Errorf("fits with head %d: %v", head, err)
		}
	}
}

// TestHostileFrame: so is every header that doesn't fit what is published.
func TestHostileFrame(t *testing.T) {
	for _, c := range []struct {
		name      string
		h         wire.Header
		published uint64
		ok        bool
	}{
		{"good", *frame(32), 64, true},
		{"half a frame", *frame(33), 64, false},
		{"over the ring's limit", *frame(1024), 4096, false},
		{"over the ring", *frame(8192), 4096, false},
		{"of unknown kind", wire.Header{Kind: 99}, 64, false},
		{"all zeros", wire.Header{}, 64, false},
		{"of 4 GiB", wire.Header{Kind: wire.KindCall, Length: ^uint32(0), Total: ^uint32(0)}, 4096, false},
		{"more metadata than bytes", wire.Header{Kind: wire.KindCall, Metadata: 8}, 64, false},
	} {
		out, in := newRing(t, 4096)
		c.h.Put(out.win.data)
		out.win.tail.Store(c.published)
		_, err := in.next()
		var protocol *wire.ProtocolError
		if (err == nil) != c.ok || !c.ok && !errors.As(err, &protocol) {
			t.Errorf("a frame %s: %v", c.name, err)
		}
	}
}

// FuzzRing reads a ring of arbitrary bytes up to an arbitrary tail.
func FuzzRing(f *testing.F) {
	good := make([]byte, 192)
	frame(40).Put(good)
	frame(0).Put(good[128:])
	f.Add(good, uint64(192), uint64(0))
	f.Add(good, uint64(128), uint64(0))
	f.Add(good, uint64(64), uint64(0))
	f.Add([]byte{}, uint64(4096), uint64(0))
	f.Add(good, uint64(0), uint64(64))
	f.Add(good, ^uint64(0), ^uint64(63))
	f.Add(binary.LittleEndian.AppendUint64(nil, rewindMark), uint64(4096), uint64(0))
	f.Add(append(good[:64:64], binary.LittleEndian.AppendUint64(nil, rewindMark)...), uint64(4096+64), uint64(0))
	f.Fuzz(func(t *testing.T, ring []byte, tail, head uint64) {
		_, in := newRing(t, 4096)
		copy(in.win.data, ring)
		in.win.tail.Store(tail)
		in.head = head &^ (frameAlign - 1) // ours, and always aligned
		total := 0
		p := make([]byte, 100)
		for in.ready() {
			h, err := in.next()
			if err != nil {
				var protocol *wire.ProtocolError
				if !errors.As(err, &protocol) {
					t.Fatalf("next: %v, want a protocol error", err)
				}
				return
			}
			read := 0
			for in.left != 0 {
				read += in.read(p)
			}
			if read != int(h.Length) {
				t.Fatalf("read %d bytes of a frame of %d", read, h.Length)
			}
			in.finish()
			if total += int(frameSpan(read)); total > 4096 {
				t.Fatal("more was read than the ring holds")
			}
		}
	})
}
