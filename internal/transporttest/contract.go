package transporttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// contract is what [link.Conn] promises, line by line, without the engine. Each test gets both ends of a connection, and
// runs with either of them in either part.
var contract = []struct {
	name string
	test func(t *testing.T, a, b link.Conn)
}{
	{"bounds", testBounds},
	{"interrupt", testInterrupt},
	{"interrupts under fire", testInterrupts},
	{"small reads", testSmallReads},
	{"stop", testStop},
	{"stops under fire", testStops},
	{"end of the peer", testEnd},
	{"end while the peer writes", testEndUnread},
	{"close", testCloseConn},
	{"ready", testReady},
}

func testContract(t *testing.T, transport Transport) {
	for _, part := range contract {
		t.Run(part.name, func(t *testing.T) {
			for _, dialer := range []bool{true, false} {
				t.Run(fmt.Sprintf("dialer %v", dialer), func(t *testing.T) {
					a, b := connect(t, transport) // one at a time: a transport may have one listener for all
					t.Parallel()                  // some wait for what a connection gives up after
					if !dialer {
						a, b = b, a
					}
					part.test(t, a, b)
				})
			}
		})
	}
}

// put writes a frame whose payload depends on its id, and returns Write's error.
func put(c link.Conn, stop link.Stop, id uint64, metadata, payload int) error {
	m, p := pattern(metadata, id), pattern(payload, id+1)
	h := &wire.Header{Kind: wire.KindCall, ID: id, Length: uint32(metadata + payload), Metadata: uint32(metadata), Total: uint32(payload)}
	err := c.Write(stop, h, m, p)
	clear(m) // both are the caller's again
	clear(p)
	return err
}

// take reads a frame that put wrote, in reads of size bytes at most, and returns its id or Next's error.
func take(t *testing.T, c link.Conn, size int) (uint64, error) {
	t.Helper()
	h, err := next(c)
	if err != nil {
		return 0, err
	}
	want := append(pattern(int(h.Metadata), h.ID), pattern(int(h.Total), h.ID+1)...)
	got, guard := make([]byte, 0, len(want)), make([]byte, size)
	for len(got) < len(want) {
		n, err := c.Read(guard)
		if errors.Is(err, link.ErrInterrupted) {
			continue
		}
		if err != nil || n < 1 || n > min(size, len(want)-len(got)) {
			t.Fatalf("Read with %d bytes of a frame left and room for %d: got %d, %v", len(want)-len(got), size, n, err)
		}
		got = append(got, guard[:n]...)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("frame %d of %d+%d bytes came changed", h.ID, h.Metadata, h.Total)
	}
	return h.ID, nil
}

// next is Next for those who are not interrupted on purpose.
func next(c link.Conn) (wire.Header, error) {
	for {
		h, err := c.Next()
		if !errors.Is(err, link.ErrInterrupted) {
			return h, err
		}
	}
}

func testBounds(t *testing.T, a, b link.Conn) {
	if n := a.MaxFrame(); n < 4<<10 || n > wire.MaxFramePayload {
		t.Errorf("MaxFrame is %d, it must be from 4 KiB to %d", n, wire.MaxFramePayload)
	}
	if a.String() == "" {
		t.Error("a connection without a name")
	}
	_ = b.Trusted()
}

// testInterrupt: an interrupt ends the wait that goes on, or the next that would begin, once, and loses nothing.
func testInterrupt(t *testing.T, a, b link.Conn) {
	a.Interrupt() // nobody waits
	if _, err := nextWithin(t, a); !errors.Is(err, link.ErrInterrupted) {
		t.Fatalf("Next after Interrupt: got %v", err)
	}
	for i := range uint64(20) {
		waiting := make(chan error, 1)
		go func() {
			_, err := a.Next()
			waiting <- err
		}()
		if i%2 == 0 {
			time.Sleep(time.Duration(i) * 100 * time.Microsecond) // it may sleep or not: both must do
		}
		a.Interrupt()
		if err := within(t, "an interrupted Next", waiting); !errors.Is(err, link.ErrInterrupted) {
			t.Fatalf("an interrupted Next: got %v", err)
		}
		if err := put(b, link.Stop{}, i+1, 0, 100); err != nil {
			t.Fatal(err)
		}
		if id, err := take(t, a, 1000); err != nil || id != i+1 {
			t.Fatalf("after an interrupt: frame %d, %v", id, err)
		}
	}
}

// testInterrupts interrupts a reader all the time, and wants every frame.
func testInterrupts(t *testing.T, a, b link.Conn) {
	const frames = 300
	done := make(chan struct{})
	var group sync.WaitGroup
	defer group.Wait()
	defer close(done)
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				a.Interrupt()
			}
			time.Sleep(20 * time.Microsecond)
		}
	})
	written := make(chan error, 1)
	go func() {
		for i := range uint64(frames) {
			if err := put(b, link.Stop{}, i+1, int(i)%7, frameLength(i, b.MaxFrame()-7)); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for i := range uint64(frames) {
		if id, err := take(t, a, 64<<10); err != nil || id != i+1 {
			t.Fatalf("frame %d: got %d, %v", i+1, id, err)
		}
	}
	if err := within(t, "the writer", written); err != nil {
		t.Fatal(err)
	}
}

// testSmallReads takes frames in pieces of any size, with empty reads between.
func testSmallReads(t *testing.T, a, b link.Conn) {
	for i, size := range []int{1, 2, 3, 63, 64, 65, 4 << 10} {
		for j, n := range []int{0, 1, 100, 5000} {
			id := uint64(i*10 + j + 1)
			if err := put(b, link.Stop{}, id, n/3, min(n, b.MaxFrame()-n/3)); err != nil {
				t.Fatal(err)
			}
			if got, err := take(t, a, size); err != nil || got != id {
				t.Fatalf("frame %d, %v", got, err)
			}
			if n, err := a.Read(nil); n != 0 || err != nil {
				t.Fatalf("an empty read: got %d, %v", n, err)
			}
		}
	}
}

// fillUp writes to a peer that does not read until there is no more room, and stays none, and returns how many frames went.
func fillUp(t *testing.T, c link.Conn, size int) uint64 {
	t.Helper()
	for sent, full := uint64(0), 0; ; {
		switch err := put(c, link.Stop{Deadline: time.Now().Add(10 * time.Millisecond)}, sent+1, 0, size); {
		case errors.Is(err, link.ErrInterrupted):
			if full++; full == 3 {
				return sent
			}
		case err != nil:
			t.Fatalf("write to a peer that does not read: %v", err)
		case sent*uint64(size) > 1<<30:
			t.Fatal("a gigabyte was taken for a peer that reads nothing")
		default:
			sent++
			full = 0
		}
	}
}

// testStop: a write without room gives up as it is told, and nothing of its frame is sent.
func testStop(t *testing.T, a, b link.Conn) {
	size := b.MaxFrame()
	sent := fillUp(t, b, size)
	done := make(chan struct{})
	time.AfterFunc(10*time.Millisecond, func() { close(done) })
	for _, stop := range []link.Stop{{Done: done}, {Deadline: time.Now().Add(20 * time.Millisecond)}, {Deadline: time.Now().Add(-time.Hour)},
		{Done: done, Deadline: time.Now().Add(time.Hour)}} {
		written := make(chan error, 1)
		go func() { written <- put(b, stop, sent+1, 0, size) }()
		if err := within(t, "a write that is to give up", written); err == nil {
			sent++ // the system has found room after all
		} else if !errors.Is(err, link.ErrInterrupted) {
			t.Fatalf("%+v: got %v", stop, err)
		}
	}
	last := make(chan error, 1)
	go func() { last <- put(b, link.Stop{}, sent+1, 0, size) }()
	for id := range sent + 1 {
		if got, err := take(t, a, 64<<10); err != nil || got != id+1 {
			t.Fatalf("frame %d: got %d, %v", id+1, got, err)
		}
	}
	if err := within(t, "the last write", last); err != nil {
		t.Fatal(err)
	}
}

// testStops: of many writers without room, some of whom give up, exactly those arrive that did not, each in its order.
func testStops(t *testing.T, a, b link.Conn) {
	const writers, each = 8, 40
	type result struct {
		id  uint64
		err error
	}
	results := make(chan result, writers*each)
	for w := range uint64(writers) {
		go func() {
			for i := range uint64(each) {
				stop := link.Stop{}
				if (w+i)%2 == 0 {
					stop.Deadline = time.Now().Add(time.Duration(i) * 50 * time.Microsecond)
				}
				id := w<<32 | (i + 1)
				results <- result{id, put(b, stop, id, 10, frameLength(i*w, b.MaxFrame()-10))}
			}
		}()
	}
	arrived := make(map[uint64]bool)
	var last [writers]uint64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			id, err := take(t, a, 8<<10)
			if err != nil || id == 1<<60 {
				return
			}
			if arrived[id] = true; last[id>>32] >= id {
				t.Errorf("frame %#x came after %#x", id, last[id>>32])
			}
			last[id>>32] = id
			if id%16 == 0 {
				time.Sleep(100 * time.Microsecond) // so that the room runs out
			}
		}
	}()
	sent := make(map[uint64]bool)
	for range writers * each {
		r := within(t, "a write", results)
		if r.err == nil {
			sent[r.id] = true
		} else if !errors.Is(r.err, link.ErrInterrupted) {
			t.Fatalf("write: %v", r.err)
		}
	}
	if err := put(b, link.Stop{}, 1<<60, 0, 0); err != nil {
		t.Fatal(err)
	}
	within(t, "the last frame", ended)
	for id := range sent {
		if !arrived[id] {
			t.Errorf("frame %#x was accepted and has not come", id)
		}
	}
	for id := range arrived {
		if !sent[id] {
			t.Errorf("frame %#x was given up and has come", id)
		}
	}
}

// testEnd: what was accepted before a close is read, then comes the end.
func testEnd(t *testing.T, a, b link.Conn) {
	const frames = 50
	for i := range uint64(frames) {
		if err := put(b, link.Stop{}, i+1, 0, frameLength(i%40, b.MaxFrame())); err != nil {
			t.Fatal(err)
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	for i := range uint64(frames) {
		if id, err := take(t, a, 64<<10); err != nil || id != i+1 {
			t.Fatalf("frame %d: got %d, %v", i+1, id, err)
		}
	}
	for range 2 {
		if _, err := nextWithin(t, a); !errors.Is(err, io.EOF) {
			t.Errorf("after the last frame: got %v, want io.EOF", err)
		}
	}
	if err := within(t, "Close", closed); err != nil {
		t.Error(err)
	}
}

// testEndUnread: a side that closes without having read what came still brings across what it wrote, and the other side
// reads that although its own writes fail.
func testEndUnread(t *testing.T, a, b link.Conn) {
	const frames = 20
	failed := make(chan error, 1)
	go func() {
		for id := uint64(1); ; id++ {
			if err := put(a, link.Stop{}, id, 0, 1000); err != nil {
				failed <- err
				return
			}
		}
	}()
	if _, err := take(t, b, 1000); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(frames) {
		if err := put(b, link.Stop{}, i+1, 0, 100); err != nil {
			t.Fatal(err)
		}
	}
	go b.Close()
	if err := within(t, "a write to a peer that has gone", failed); errors.Is(err, link.ErrInterrupted) {
		t.Errorf("a write to a peer that has gone: %v", err)
	}
	for i := range uint64(frames) {
		if id, err := take(t, a, 1000); err != nil || id != i+1 {
			t.Fatalf("frame %d: got %d, %v", i+1, id, err)
		}
	}
	if _, err := nextWithin(t, a); err == nil || errors.Is(err, link.ErrInterrupted) {
		t.Errorf("after the last frame: %v", err)
	}
}

// testCloseConn: Close ends a Next that sleeps and a Write without room, from several goroutines at once, and nothing
// works afterwards.
func testCloseConn(t *testing.T, a, b link.Conn) {
	fillUp(t, a, a.MaxFrame())
	reading, writing, closed := make(chan error, 1), make(chan error, 1), make(chan error, 3)
	go func() {
		_, err := a.Next()
		reading <- err
	}()
	go func() { writing <- put(a, link.Stop{}, 1<<40, 0, a.MaxFrame()) }()
	for i := range 3 {
		if i == 1 {
			time.Sleep(time.Millisecond) // whoever comes first: all must return
		}
		go func() { closed <- a.Close() }()
	}
	for _, c := range []chan error{reading, writing} {
		if err := within(t, "a wait when its connection is closed", c); err == nil || errors.Is(err, link.ErrInterrupted) || errors.Is(err, io.EOF) {
			t.Errorf("a wait when its connection is closed: got %v", err)
		}
	}
	for range 3 {
		if err := within(t, "Close", closed); err != nil {
			t.Logf("Close: %v", err) // the peer did not take all in time, and may be told so
		}
	}
	if _, err := nextWithin(t, a); err == nil || errors.Is(err, link.ErrInterrupted) {
		t.Errorf("Next after Close: %v", err)
	}
	if err := put(a, link.Stop{}, 1, 0, 0); err == nil || errors.Is(err, link.ErrInterrupted) {
		t.Errorf("Write after Close: %v", err)
	}
	a.Interrupt()
	a.Ready()
}

// testReady: a connection that is ready does not sleep, up to the end of the frame.
func testReady(t *testing.T, a, b link.Conn) {
	if a.Ready() || a.Pending() {
		t.Error("ready, and nothing has come")
	}
	for i := range uint64(10) {
		for j := range uint64(3) {
			if err := put(b, link.Stop{}, i*3+j+1, 0, 100); err != nil {
				t.Fatal(err)
			}
		}
		for j := range uint64(3) {
			a.Ready()
			if id, err := take(t, a, 1000); err != nil || id != i*3+j+1 {
				t.Fatalf("frame %d, %v", id, err)
			}
		}
		if a.Pending() {
			t.Fatal("a frame is said to be there, and all were taken")
		}
	}
	b.Close()
	if _, err := nextWithin(t, a); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

// nextWithin is Next, which must return.
func nextWithin(t *testing.T, c link.Conn) (wire.Header, error) {
	t.Helper()
	type result struct {
		h   wire.Header
		err error
	}
	done := make(chan result, 1)
	go func() {
		h, err := c.Next()
		done <- result{h, err}
	}()
	r := within(t, "Next", done)
	return r.h, r.err
}

// within takes what must come from a channel.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Patience):
		t.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}
