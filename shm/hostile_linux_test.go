package shm_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/shm"
)

// checkHostileEnd fails the test unless err is what a connection with a hostile peer may end with.
func checkHostileEnd(t *testing.T, what string, err error) {
	t.Helper()
	var protocol *wire.ProtocolError
	if !errors.As(err, &protocol) && err != io.EOF && !errors.Is(err, shm.ErrPeerGone) {
		t.Errorf("%s with a hostile peer: %v, want a protocol error or the peer's end", what, err)
	}
}

// TestHostileMemory: a peer scribbles over everything that it can write, while frames go both ways. The
// connection goes on or ends with an error.
func TestHostileMemory(t *testing.T) {
	for seed := range uint64(60) {
		server, hostile := pair(t, &shm.Options{RingSize: shm.MinRingSize, MaxSpin: -1})
		var wg sync.WaitGroup
		wg.Go(func() { // the victim's reader
			buf := make([]byte, wire.MaxFramePayload)
			for {
				h, err := server.Next()
				if err != nil {
					checkHostileEnd(t, "Next", err)
					return
				}
				if err := readAll(server, buf[:h.Length]); err != nil {
					checkHostileEnd(t, "Read", err)
					return
				}
			}
		})
		wg.Go(func() { // the victim's writer
			p := make([]byte, server.MaxFrame())
			for i := 0; ; i++ {
				if err := write(server, 1, p[:i*97%len(p)]); err != nil {
					checkHostileEnd(t, "Write", err)
					return
				}
			}
		})
		wg.Go(func() { // the peer reads so that the victim writes on, until its own view is broken
			_ = echoInto(hostile)
		})
		scribble(hostile, seed)
		wait.Return(t, "ending a connection with a hostile peer", func() {
			_ = hostile.Close()
			wg.Wait()
		})
		_ = server.Close()
	}
}

// echoInto reads until an error comes.
func echoInto(conn *shm.Conn) error {
	buf := make([]byte, wire.MaxFramePayload)
	for {
		h, err := conn.Next()
		if err != nil {
			return err
		}
		if err := readAll(conn, buf[:h.Length]); err != nil {
			return err
		}
	}
}

// scribble writes nonsense, some of it plausible, to a connection's memory.
func scribble(conn *shm.Conn, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 3))
	in, out := conn.Words()
	inRing, outRing := conn.Memory()
	p := make([]byte, 40)
	for range 300 {
		n := random.Uint64() >> random.IntN(64)
		if random.IntN(2) == 0 {
			n &^= 63
		}
		switch random.IntN(int(9 + seed%8)) { // some seeds are mostly about the rings
		case 0:
			out.SetTail(n)
		case 1:
			in.SetHead(n)
		case 2:
			out.SetWant(n)
			in.SetWant(n)
		case 3:
			in.SetAsleep(uint32(n))
			out.SetAsleep(uint32(n))
		case 4:
			out.SetTail(out.Tail() + n%8*64)
		case 5:
			in.SetHead(in.Head() + n%8*64)
		case 6:
			binary.LittleEndian.PutUint64(outRing[random.IntN(len(outRing)/64)*64:], shm.RewindMark)
		case 7:
			_ = conn.Write(giveUp, call(n, len(p)), nil, p)
		default:
			ring := outRing
			if n&64 != 0 {
				ring = inRing
			}
			at := random.IntN(len(ring)/64) * 64
			call(n, int(n%100)).Put(ring[at:])
			ring[random.IntN(len(ring))] = byte(n >> 8)
		}
	}
}

// giveUp never waits for room.
var giveUp = func() link.Stop {
	done := make(chan struct{})
	close(done)
	return link.Stop{Done: done}
}()

// TestHostileWords: single wrong words, at rest, end the connection with a protocol error; on the side that reads them.
func TestHostileWords(t *testing.T) {
	for name, spoil := range map[string]func(hostile *shm.Conn){
		"a tail beyond the ring": func(c *shm.Conn) { _, out := c.Words(); out.SetTail(1 << 40) },
		"a tail within a line":   func(c *shm.Conn) { _, out := c.Words(); out.SetTail(1) },
		"a tail without a frame": func(c *shm.Conn) { _, out := c.Words(); out.SetTail(64) },
		"a tail that went back":  func(c *shm.Conn) { _, out := c.Words(); out.SetTail(^uint64(63)) },
		"a rewind that nothing follows": func(c *shm.Conn) {
			_, out := c.Words()
			_, ring := c.Memory()
			binary.LittleEndian.PutUint64(ring, shm.RewindMark)
			out.SetTail(uint64(len(ring)))
		},
		"half a frame": func(c *shm.Conn) { _, out := c.Words(); _, ring := c.Memory(); call(1, 100).Put(ring); out.SetTail(64) },
	} {
		server, hostile := pair(t, nil)
		spoil(hostile)
		var protocol *wire.ProtocolError
		_, err := server.Next()
		if !errors.As(err, &protocol) {
			t.Errorf("Next with %s: %v, want a protocol error", name, err)
		}
		if again := write(server, 1, nil); again != err {
			t.Errorf("Write after it: %v, want the same error", again)
		}
		if _, again := server.Next(); again != err {
			t.Errorf("Next after it: %v, want the same error", again)
		}
		wait.Return(t, "the peer, which is told", func() {
			if _, err := hostile.Next(); err != io.EOF {
				t.Errorf("the peer's Next: %v, want %v", err, io.EOF)
			}
		})
	}
	for name, head := range map[string]uint64{"beyond the tail": 1 << 30, "within a line": 1, "that went back": ^uint64(63)} {
		server, hostile := pair(t, &shm.Options{RingSize: shm.MinRingSize})
		fillRing(t, server, 1000)
		in, _ := hostile.Words()
		in.SetHead(head)
		var protocol *wire.ProtocolError
		err := write(server, 1, make([]byte, 1000))
		if !errors.As(err, &protocol) {
			t.Errorf("Write with a head %s: %v, want a protocol error", name, err)
		}
		if _, again := server.Next(); again != err {
			t.Errorf("Next after it: %v, want the same error", again)
		}
	}
}

// TestHostileSocket: unknown messages on the socket end the connection, and a flood of known ones does nothing.
func TestHostileSocket(t *testing.T) {
	server, hostile := pair(t, nil)
	for range 10000 {
		if err := hostile.Send([]byte("ssssssss")); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(hostile, 1, nil); err != nil {
		t.Fatal(err)
	}
	next(t, server)
	if err := hostile.Send([]byte("x")); err != nil {
		t.Fatal(err)
	}
	var protocol *wire.ProtocolError
	if _, err := server.Next(); !errors.As(err, &protocol) {
		t.Errorf("Next after an unknown message: %v, want a protocol error", err)
	}
}

// TestHostileDoorbell: a peer that takes away the doorbell's non-blocking mode blocks nobody.
func TestHostileDoorbell(t *testing.T) {
	server, hostile := pair(t, nil)
	if err := hostile.BlockBell(); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	sleep := func() {
		go func() {
			_, err := server.Next()
			result <- err
		}()
		wait.Until(t, "Next doesn't sleep", server.Asleep)
	}
	wait.Return(t, "a reader whose doorbell blocks", func() {
		sleep()
		server.Interrupt()
		if err := <-result; err != link.ErrInterrupted {
			t.Errorf("Next: %v", err)
		}
		sleep()
		if err := write(hostile, 1, nil); err != nil {
			t.Error(err)
		}
		if err := <-result; err != nil {
			t.Errorf("Next: %v", err)
		}
		sleep()
		_ = server.Close()
		<-result
	})
}

// fullBell is the highest count that a write can give to an eventfd.
var fullBell = binary.NativeEndian.AppendUint64(nil, math.MaxUint64-1)

// TestHostileFullDoorbell: a peer that fills its doorbell, makes it a blocking one and says that it sleeps holds up no Write.
func TestHostileFullDoorbell(t *testing.T) {
	server, hostile := pair(t, nil)
	bed := must(hostile.Bed())(t)
	defer unix.Close(bed)
	if _, err := unix.Write(bed, fullBell); err != nil {
		t.Fatal(err)
	}
	in, _ := hostile.Words()
	wait.Return(t, "writing to a peer whose doorbell is full", func() {
		for id := range uint64(200) {
			in.SetAsleep(1)
			if err := unix.SetNonblock(bed, false); err != nil {
				t.Error(err)
			}
			if err := server.Write(giveUp, call(id+1, 0), nil, nil); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestHostileRefilledDoorbell: a peer that does so all the time may hold up one Write at a time, until the connection ends: by
// our Close or by the peer's.
func TestHostileRefilledDoorbell(t *testing.T) {
	for round := range 50 {
		server, hostile := pair(t, nil)
		bed := must(hostile.Bed())(t)
		var stop atomic.Bool
		var peer, writers sync.WaitGroup
		if _, err := unix.Write(bed, fullBell); err != nil {
			t.Fatal(err)
		}
		peer.Go(func() {
			for !stop.Load() {
				_ = unix.SetNonblock(bed, false)
			}
		})
		peer.Go(func() {
			for !stop.Load() {
				_, _ = unix.Write(bed, fullBell)
			}
		})
		in, _ := hostile.Words()
		for range 3 {
			writers.Go(func() {
				for id := uint64(1); id <= 1000; id++ {
					in.SetAsleep(1)
					if err := server.Write(giveUp, call(id, 0), nil, nil); err != nil {
						return
					}
				}
			})
		}
		for range 20 * round { // so that it ends early and late
			runtime.Gosched()
		}
		end := server.Close
		if round%2 == 0 {
			end = hostile.Close
		}
		_ = end()
		wait.Return(t, "writing to a peer that refills its doorbell, after the connection's end", writers.Wait)
		stop.Store(true)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			peer.Wait()
		}()
		wait.Until(t, "the peer's own writes don't return", func() bool {
			_ = shm.TakeCount(bed)
			select {
			case <-gone:
				return true
			default:
				return false
			}
		})
		_ = unix.Close(bed)
		_ = server.Close()
		_ = hostile.Close()
	}
}
