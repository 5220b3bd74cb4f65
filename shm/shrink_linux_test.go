package shm_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/shm"
)

// rest is the most that a direction holds at rest: the header, its lap, and a page on which the last lap before ended.
var rest = 4096 + shm.LapSize + 2*os.Getpagesize()

// TestRingShrinks: a ring takes memory as it is used, and gives it back when it is idle. No timer is left then.
func TestRingShrinks(t *testing.T) {
	t.Parallel()
	server, client := pair(t, nil)
	for range 1000 { // small calls, several laps of them
		if err := write(client, 1, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		next(t, server)
	}
	if n := resident(t, client.OutWindow()); n > 2*shm.LapSize || client.Shrinking() {
		t.Errorf("%d bytes are used by small frames, timer set: %v", n, client.Shrinking())
	}
	for round := range 2 {
		frames := fillRing(t, client, 8000)
		if n := resident(t, client.OutWindow()); n < shm.DefaultRingSize {
			t.Errorf("round %d: %d bytes are used when the ring of %d is full", round, n, shm.DefaultRingSize)
		}
		if !client.Shrinking() {
			t.Errorf("round %d: nobody watches the memory", round)
		}
		client.Shrink() // nothing is given back of what is unread
		client.Shrink()
		for id := range frames {
			if h, p := next(t, server); h.ID != id+1 || len(p) != 8000 {
				t.Fatalf("round %d: frame %d came as %d, with %d bytes", round, id+1, h.ID, len(p))
			}
		}
		wait.Until(t, "the memory of an idle ring is not given back", func() bool {
			return resident(t, client.OutWindow()) <= rest && !client.Shrinking()
		})
		if err := write(client, 7, []byte("as before")); err != nil {
			t.Fatal(err)
		}
		if h, p := next(t, server); h.ID != 7 || string(p) != "as before" {
			t.Errorf("round %d: a frame after that: %d, %q", round, h.ID, p)
		}
	}
}

// TestStreamShrinks: the same for byte streams.
func TestStreamShrinks(t *testing.T) {
	t.Parallel()
	server, client := streamPair(t, nil)
	const n = shm.DefaultRingSize / 2
	if _, err := client.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	mem := client.Conn().OutWindow()
	if got := resident(t, mem); got < n {
		t.Errorf("%d bytes are used by a Write of %d", got, n)
	}
	if _, err := io.ReadFull(server, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the memory of an idle stream is not given back", func() bool { return resident(t, mem) <= rest })
}

// TestShrinkInUse: memory is given back at every moment at which that may happen, while frames of all sizes go both ways
// between two processes. None is lost or changed.
func TestShrinkInUse(t *testing.T) {
	conn, _ := spawn(t, "shrinking echo", nil)
	random := rand.New(rand.NewPCG(1, 2))
	sent := make([]byte, 20*conn.MaxFrame())
	for i := range len(sent) / 8 {
		binary.LittleEndian.PutUint64(sent[i*8:], random.Uint64())
	}
	got := make([]byte, len(sent))
	progress := watchdog(t)
	for round := range uint64(rounds() / 50) {
		var sizes []int
		for range 1 + random.IntN(20) {
			sizes = append(sizes, 1+random.IntN(conn.MaxFrame()>>random.IntN(10)))
		}
		var writing sync.WaitGroup
		writing.Go(func() {
			at := 0
			for _, n := range sizes {
				if err := write(conn, round+1, sent[at:at+n]); err != nil {
					t.Error(err)
				}
				at += n
			}
		})
		at := 0
		for _, n := range sizes {
			h, err := conn.Next()
			if err != nil || h.ID != round+1 || int(h.Length) != n {
				t.Fatalf("round %d: %+v, %v, want %d bytes", round, h, err, n)
			}
			if err := readAll(conn, got[at:at+n]); err != nil {
				t.Fatal(err)
			}
			at += n
		}
		writing.Wait()
		if !bytes.Equal(got[:at], sent[:at]) {
			t.Fatalf("round %d: %d bytes came back different", round, at)
		}
		conn.Shrink()
		progress()
	}
}

// shrinkingEcho is echo that gives memory back all the time.
func shrinkingEcho(conn *shm.Conn) error {
	done := make(chan struct{})
	var shrinking sync.WaitGroup
	shrinking.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				conn.Shrink()
			}
		}
	})
	defer shrinking.Wait()
	defer close(done)
	buf := make([]byte, wire.MaxFramePayload)
	for {
		h, err := conn.Next()
		if err != nil {
			return err
		}
		p := buf[:h.Length]
		if err := readAll(conn, p); err != nil {
			return err
		}
		if err := conn.Write(link.Stop{}, &h, nil, p); err != nil {
			return err
		}
	}
}

// TestShrinkAndEnd: a connection may end while its memory is given back.
func TestShrinkAndEnd(t *testing.T) {
	for range 50 {
		server, client := pair(t, nil)
		fillRing(t, client, 8000)
		var all sync.WaitGroup
		all.Go(client.Shrink)
		all.Go(func() { _ = client.Close() })
		all.Go(func() { _ = server.Close() })
		wait.Return(t, "ending", all.Wait)
		client.Shrink()
		if client.Shrinking() {
			t.Fatal("a closed connection's memory is watched")
		}
	}
}
