package shm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/shm"
)

// next takes the next frame whole.
func next(t testing.TB, conn *shm.Conn) (wire.Header, []byte) {
	t.Helper()
	h, err := conn.Next()
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	p := make([]byte, h.Length)
	if err := readAll(conn, p); err != nil {
		t.Fatalf("Read: %v", err)
	}
	return h, p
}

// write writes a frame with payload p.
func write(conn *shm.Conn, id uint64, p []byte) error {
	return conn.Write(link.Stop{}, call(id, len(p)), nil, p)
}

// fillRing writes frames until there is no more room, and returns how many there are.
func fillRing(t testing.TB, conn *shm.Conn, size int) uint64 {
	t.Helper()
	p := make([]byte, size)
	done := make(chan struct{})
	close(done)
	for n := uint64(0); ; n++ {
		err := conn.Write(link.Stop{Done: done}, call(n+1, size), nil, p)
		if err == link.ErrInterrupted {
			return n
		}
		if err != nil {
			t.Fatalf("Write: %v", err)
		}
	}
}

// TestFrames sends frames of special sizes, with metadata, both ways at once.
func TestFrames(t *testing.T) {
	server, client := pair(t, &shm.Options{RingSize: shm.MinRingSize})
	longest := client.MaxFrame()
	if longest != server.MaxFrame() || longest != shm.MinRingSize/4-wire.HeaderSize {
		t.Errorf("MaxFrame: %d and %d", longest, server.MaxFrame())
	}
	var wg sync.WaitGroup
	for _, ends := range [][2]*shm.Conn{{server, client}, {client, server}} {
		sizes := []int{0, 1, 31, 32, 33, 95, 96, 97, 4096, longest - 1, longest}
		const rounds = 100
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, 1))
			for i := range rounds {
				for _, n := range sizes {
					p := bytes.Repeat([]byte{byte(i), byte(n), byte(n >> 8)}, n/3+1)[:n]
					cut := 0
					if n > 0 {
						cut = random.IntN(min(n, wire.MaxMetadata))
					}
					h := call(uint64(i)+1, n)
					h.Metadata, h.Total = uint32(cut), uint32(n-cut)
					if err := ends[0].Write(link.Stop{}, h, p[:cut], p[cut:]); err != nil {
						t.Errorf("Write of %d bytes: %v", n, err)
						return
					}
				}
			}
		})
		wg.Go(func() {
			for i := range rounds {
				for _, n := range sizes {
					h, p := next(t, ends[1])
					want := bytes.Repeat([]byte{byte(i), byte(n), byte(n >> 8)}, n/3+1)[:n]
					if h.ID != uint64(i)+1 || !bytes.Equal(p, want) {
						t.Errorf("frame %d of %d bytes came as frame %d of %d, or changed", i+1, n, h.ID, len(p))
						return
					}
				}
			}
		})
	}
	wait.Return(t, "an exchange of frames", wg.Wait)
}

// TestUnreadFrame: a frame whose payload nobody takes is passed over by the next Next.
func TestUnreadFrame(t *testing.T) {
	server, client := pair(t, nil)
	for id := range uint64(3) {
		if err := write(client, id+1, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	for id := range uint64(3) {
		h, err := server.Next()
		if err != nil || h.ID != id+1 {
			t.Fatalf("Next: frame %d, %v, want %d", h.ID, err, id+1)
		}
		if n, err := server.Read(make([]byte, 60)); n != 60 || err != nil {
			t.Fatalf("Read: %d, %v", n, err)
		}
		if n, err := server.Read(nil); n != 0 || err != nil {
			t.Fatalf("Read of nothing: %d, %v", n, err)
		}
	}
}

// TestFullRing: a writer waits for a reader that takes its time, and nothing is lost.
func TestFullRing(t *testing.T) {
	server, client := pair(t, &shm.Options{RingSize: shm.MinRingSize})
	const frames = 2000
	written := make(chan error, 1)
	go func() {
		p := make([]byte, 1000)
		for id := range uint64(frames) {
			if err := write(client, id+1, p); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for id := range uint64(frames) {
		if id%100 == 0 {
			wait.Until(t, "no writer waits for room", func() bool { return client.Waiting() == 1 || id+100 > frames-70 })
		}
		if h, _ := next(t, server); h.ID != id+1 {
			t.Fatalf("frame %d came as %d", id+1, h.ID)
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

// TestStop: a writer without room gives up as it was told, and leaves nothing of its frame.
func TestStop(t *testing.T) {
	server, client := pair(t, &shm.Options{RingSize: shm.MinRingSize})
	frames := fillRing(t, client, 1000)
	if want := uint64(shm.MinRingSize / 1088); frames != want {
		t.Errorf("%d frames fitted, want %d", frames, want)
	}
	p := make([]byte, 1000)
	if err := client.Write(link.Stop{Deadline: time.Now().Add(-time.Second)}, call(99, 1000), nil, p); err != link.ErrInterrupted {
		t.Errorf("Write past its deadline: %v", err)
	}
	if err := client.Write(link.Stop{Deadline: time.Now().Add(time.Millisecond)}, call(99, 1000), nil, p); err != link.ErrInterrupted {
		t.Errorf("Write with a deadline: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	for range 2 { // the second waits behind the first
		go func() { result <- client.Write(link.Stop{Done: ctx.Done()}, call(99, 1000), nil, p) }()
	}
	wait.Until(t, "the writers don't wait", func() bool { return client.Waiting() == 2 })
	cancel()
	for range 2 {
		if err := <-result; err != link.ErrInterrupted {
			t.Errorf("Write that was cancelled: %v", err)
		}
	}
	go func() { result <- write(client, frames+1, p) }()
	for id := range frames + 1 {
		if h, _ := next(t, server); h.ID != id+1 {
			t.Fatalf("frame %d came as %d", id+1, h.ID)
		}
	}
	if err := <-result; err != nil {
		t.Errorf("Write that waited for room: %v", err)
	}
	if server.Interrupt(); true {
		if h, err := server.Next(); err != link.ErrInterrupted {
			t.Errorf("a frame too many: %+v, %v", h, err)
		}
	}
}

// TestManyWriters: the frames of each goroutine keep their order, whatever their sizes and however full the ring is.
func TestManyWriters(t *testing.T) {
	server, client := pair(t, &shm.Options{RingSize: shm.MinRingSize})
	const writers, frames = 16, 500
	var wg sync.WaitGroup
	for w := range uint64(writers) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(w, 2))
			p := make([]byte, client.MaxFrame())
			for i := range uint64(frames) {
				n := random.IntN(200)
				if random.IntN(10) == 0 {
					n = random.IntN(len(p))
				}
				if err := write(client, w<<32|i+1, p[:n]); err != nil {
					t.Errorf("Write: %v", err)
					return
				}
				if random.IntN(50) == 0 { // some give up now and then
					done := make(chan struct{})
					close(done)
					err := client.Write(link.Stop{Done: done}, call(w<<32|0xffff, n), nil, p[:n])
					if err != nil && err != link.ErrInterrupted {
						t.Errorf("Write: %v", err)
					}
				}
			}
		})
	}
	var last [writers]uint64
	for got := 0; got < writers*frames; {
		h, _ := next(t, server)
		w, i := h.ID>>32, h.ID&0xffffffff
		if i == 0xffff {
			continue
		}
		if i != last[w]+1 {
			t.Fatalf("writer %d: frame %d after %d", w, i, last[w])
		}
		last[w] = i
		got++
	}
	wg.Wait()
}

// TestInterrupt: one interrupt ends one wait, and loses nothing.
func TestInterrupt(t *testing.T) {
	server, client := pair(t, nil)
	t.Run("sleeping", func(t *testing.T) {
		for range 100 {
			result := make(chan error, 1)
			go func() {
				_, err := server.Next()
				result <- err
			}()
			wait.Until(t, "Next doesn't sleep", server.Asleep)
			server.Interrupt()
			if err := <-result; err != link.ErrInterrupted {
				t.Fatalf("Next: %v", err)
			}
		}
	})
	t.Run("before", func(t *testing.T) {
		server.Interrupt()
		server.Interrupt() // the same, as nobody has waited since
		if _, err := server.Next(); err != link.ErrInterrupted {
			t.Fatalf("Next: %v", err)
		}
	})
	t.Run("with a frame", func(t *testing.T) {
		if err := write(client, 1, nil); err != nil {
			t.Fatal(err)
		}
		server.Interrupt()
		if h, err := server.Next(); err != nil || h.ID != 1 {
			t.Fatalf("Next with a frame there: %+v, %v", h, err)
		}
		if _, err := server.Next(); err != link.ErrInterrupted {
			t.Fatalf("the wait after it: %v", err)
		}
	})
	t.Run("used up", func(t *testing.T) {
		result := make(chan error, 1)
		go func() {
			_, err := server.Next()
			result <- err
		}()
		wait.Until(t, "Next doesn't sleep", server.Asleep)
		if err := write(client, 1, nil); err != nil {
			t.Fatal(err)
		}
		if err := <-result; err != nil {
			t.Fatalf("Next after all interrupts were used up: %v", err)
		}
	})
	t.Run("at any moment", func(t *testing.T) {
		const frames = 20000
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					server.Interrupt()
					runtime.Gosched()
				}
			}
		})
		wg.Go(func() {
			for id := range uint64(frames) {
				if err := write(client, id+1, nil); err != nil {
					t.Error(err)
				}
			}
		})
		for id := uint64(1); id <= frames; {
			h, err := server.Next()
			if err == link.ErrInterrupted {
				continue
			}
			if err != nil || h.ID != id {
				t.Fatalf("Next: frame %d, %v, want %d", h.ID, err, id)
			}
			id++
		}
		close(stop)
		wg.Wait()
	})
}

// TestDrain: what was published before the peer closed is read before its end is.
func TestDrain(t *testing.T) {
	server, client := pair(t, nil)
	const frames = 100
	for id := range uint64(frames) {
		if err := write(client, id+1, []byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "Write doesn't fail", func() bool { return write(server, 1, nil) != nil })
	if err := write(server, 1, nil); !errors.Is(err, shm.ErrPeerGone) {
		t.Errorf("Write to a closed peer: %v, want %v", err, shm.ErrPeerGone)
	}
	for id := range uint64(frames) {
		if h, p := next(t, server); h.ID != id+1 || string(p) != "hello" {
			t.Fatalf("frame %d came as %d, %q", id+1, h.ID, p)
		}
	}
	for range 3 {
		if _, err := server.Next(); err != io.EOF {
			t.Fatalf("Next after the last frame: %v, want %v", err, io.EOF)
		}
	}
	if !server.Ready() {
		t.Error("Ready says that Next would sleep")
	}
}

// TestClose closes either end in every phase of the other and of its own.
func TestClose(t *testing.T) {
	phases := []struct {
		name string
		// begin brings conn into the phase and returns what checks how it ends, given whether its own end was closed.
		begin func(t *testing.T, conn, peer *shm.Conn) func(local bool)
	}{
		{"idle", func(t *testing.T, conn, _ *shm.Conn) func(bool) {
			return func(local bool) {
				_, err := conn.Next()
				checkEnd(t, "Next", err, local, io.EOF)
				checkEnd(t, "Write", write(conn, 1, nil), local, shm.ErrPeerGone)
			}
		}},
		{"in Next", func(t *testing.T, conn, _ *shm.Conn) func(bool) {
			result := make(chan error, 1)
			go func() {
				_, err := conn.Next()
				result <- err
			}()
			wait.Until(t, "Next doesn't sleep", conn.Asleep)
			return func(local bool) { checkEnd(t, "Next", <-result, local, io.EOF) }
		}},
		{"in Write", func(t *testing.T, conn, _ *shm.Conn) func(bool) {
			fillRing(t, conn, 1000)
			const writers = 3
			result := make(chan error, writers)
			for range writers {
				go func() { result <- write(conn, 1, make([]byte, 1000)) }()
			}
			wait.Until(t, "Write doesn't wait", func() bool { return conn.Waiting() == writers })
			return func(local bool) {
				for range writers {
					checkEnd(t, "Write", <-result, local, shm.ErrPeerGone)
				}
			}
		}},
		{"in a frame", func(t *testing.T, conn, peer *shm.Conn) func(bool) {
			if err := write(peer, 1, []byte("payload")); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Next(); err != nil {
				t.Fatal(err)
			}
			return func(local bool) {
				p := make([]byte, 7)
				n, err := conn.Read(p)
				if local {
					checkEnd(t, "Read", err, local, nil)
				} else if n != 7 || err != nil || string(p) != "payload" {
					t.Errorf("Read of a frame that was there: %d, %v, %q", n, err, p)
				}
				_, err = conn.Next()
				checkEnd(t, "Next", err, local, io.EOF)
			}
		}},
	}
	for _, phase := range phases {
		for _, local := range []bool{true, false} {
			t.Run(phase.name+map[bool]string{true: "/closed here", false: "/closed there"}[local], func(t *testing.T) {
				server, client := pair(t, nil)
				check := phase.begin(t, server, client)
				wait.Return(t, "closing", func() {
					if local {
						_ = server.Close()
					} else {
						_ = client.Close()
					}
					check(local)
					_ = server.Close()
					_ = client.Close()
				})
			})
		}
	}
}

// checkEnd checks an error after a connection's end.
func checkEnd(t *testing.T, what string, err error, local bool, remote error) {
	t.Helper()
	if local {
		remote = net.ErrClosed
	}
	if !errors.Is(err, remote) {
		t.Errorf("%s: %v, want %v", what, err, remote)
	}
}

// TestCloseRaces: Close may meet anything, anywhere, from several goroutines.
func TestCloseRaces(t *testing.T) {
	for range 100 {
		server, client := pair(t, &shm.Options{RingSize: shm.MinRingSize})
		var wg sync.WaitGroup
		for _, conn := range []*shm.Conn{server, client} {
			wg.Go(func() { _ = echo(conn) })
			for w := range uint64(3) {
				wg.Go(func() {
					p := make([]byte, int(w)*5000)
					for write(conn, w+1, p) == nil {
					}
				})
			}
			wg.Go(func() {
				for range 20 {
					conn.Interrupt()
					runtime.Gosched()
				}
			})
		}
		for range 2 {
			wg.Go(func() { _ = server.Close() })
			wg.Go(func() { _ = client.Close() })
		}
		wait.Return(t, "closing", wg.Wait)
	}
}

// TestWrongFrame: a frame that can't be sent is the caller's mistake, and is not sent.
func TestWrongFrame(t *testing.T) {
	for name, h := range map[string]*wire.Header{"too long": call(1, 1<<20), "of another length": call(1, 5)} {
		server, client := pair(t, nil)
		p := make([]byte, 6)
		if h.Length != 5 {
			p = make([]byte, h.Length)
		}
		if err := client.Write(link.Stop{}, h, nil, p); err == nil {
			t.Errorf("a frame %s was written", name)
		}
		if _, err := server.Next(); err != io.EOF {
			t.Errorf("after a frame %s: %v, want %v", name, err, io.EOF)
		}
	}
}

// TestTrusted: this process is of this user.
func TestTrusted(t *testing.T) {
	server, client := pair(t, nil)
	if !server.Trusted() || !client.Trusted() {
		t.Errorf("Trusted: %v and %v", server.Trusted(), client.Trusted())
	}
	if server.String() != client.String() || server.String()[:6] != "shm://" {
		t.Errorf("String: %q and %q", server, client)
	}
}

// TestRaceDetector: what happens before a Write happens before its Read, and the race detector knows.
func TestRaceDetector(t *testing.T) {
	server, client := pair(t, nil)
	shared := 0
	done := make(chan int)
	go func() {
		_, _ = server.Next()
		done <- shared
	}()
	shared = 42
	if err := write(client, 1, nil); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got != 42 {
		t.Errorf("the reader saw %d", got)
	}
}
