package shm_test

import (
	"flag"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
	"hotline/shm"
)

// dawdle passes between no time and some microseconds, so that two sides meet at every point of each other's way to
// sleep.
func dawdle(random *rand.Rand) {
	var spent atomic.Int32
	for range random.IntN(1 << random.IntN(12)) {
		spent.Add(1)
	}
}

// linger polls for a while before a sleep, so that some frames find their reader awake, some asleep, and some in between.
func linger(conn *shm.Conn, random *rand.Rand) {
	for range random.IntN(1 << random.IntN(14)) {
		if conn.Ready() {
			return
		}
	}
}

// dawdlingEcho is echo at an uneven pace.
func dawdlingEcho(conn *shm.Conn, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 4))
	var h wire.Header
	for {
		linger(conn, random)
		var err error
		if h, err = conn.Next(); err != nil {
			return err
		}
		dawdle(random)
		if err := conn.Write(link.Stop{}, &h, nil, nil); err != nil {
			return err
		}
	}
}

var tries = flag.Int("rounds", 15_000, "how often the tests of lost wake-ups try")

// rounds is how often the tests of lost wake-ups try.
func rounds() int {
	if testing.Short() {
		return min(*tries, 5_000)
	}
	return *tries
}

// TestNoWakeupLost: one frame at a time there and back, without spinning, so that everybody is always about to sleep. A lost
// wake-up is the end of it.
func TestNoWakeupLost(t *testing.T) {
	sleepy := &shm.Options{MaxSpin: -1}
	t.Run("one process", func(t *testing.T) {
		server, client := pair(t, sleepy)
		done := make(chan error, 1)
		go func() { done <- dawdlingEcho(server, 1) }()
		pingPongs(t, client)
		_ = client.Close()
		if err := <-done; err != io.EOF {
			t.Errorf("the echo ended with %v, want %v", err, io.EOF)
		}
	})
	t.Run("two processes", func(t *testing.T) {
		conn, _ := spawn(t, "dawdling echo", sleepy)
		pingPongs(t, conn)
	})
}

// pingPongs sends frames to an echo and waits for each to come back.
func pingPongs(t *testing.T, conn *shm.Conn) {
	t.Helper()
	random := rand.New(rand.NewPCG(5, 6))
	progress := watchdog(t)
	for id := range uint64(rounds()) {
		if err := write(conn, id+1, nil); err != nil {
			t.Fatal(err)
		}
		linger(conn, random)
		if h, _ := next(t, conn); h.ID != id+1 {
			t.Fatalf("frame %d came back as %d", id+1, h.ID)
		}
		dawdle(random)
		progress()
	}
}

// watchdog returns what must be called at least every so often while the test runs.
func watchdog(t *testing.T) (progress func()) {
	timer := time.AfterFunc(patience, func() { panic(t.Name() + ": a wake-up was lost") })
	t.Cleanup(func() { timer.Stop() })
	n := 0
	return func() {
		if n++; n%1000 == 0 {
			timer.Reset(patience)
		}
	}
}

// TestNoInterruptLost: one interrupt for each wait, at any point of the way to sleep.
func TestNoInterruptLost(t *testing.T) {
	server, _ := pair(t, &shm.Options{MaxSpin: -1})
	var round atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		random := rand.New(rand.NewPCG(10, 11))
		for i := range int64(rounds()) {
			for round.Load() <= i {
				runtime.Gosched()
			}
			dawdle(random)
			server.Interrupt()
		}
	}()
	random := rand.New(rand.NewPCG(12, 13))
	progress := watchdog(t)
	for range rounds() {
		round.Add(1)
		dawdle(random)
		if _, err := server.Next(); err != link.ErrInterrupted {
			t.Fatalf("Next: %v, want %v", err, link.ErrInterrupted)
		}
		progress()
	}
	<-done
}

// TestNoRoomLost: the same for writers that wait for room, several of them, with frames of all sizes.
func TestNoRoomLost(t *testing.T) {
	server, client := pair(t, &shm.Options{RingSize: shm.MinRingSize, MaxSpin: -1})
	const writers = 3
	frames := rounds() / 5
	var wg sync.WaitGroup
	for w := range uint64(writers) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(w, 7))
			p := make([]byte, client.MaxFrame())
			for range frames {
				if err := write(client, w+1, p[:random.IntN(1+len(p)>>random.IntN(10))]); err != nil {
					t.Error(err)
					return
				}
				dawdle(random)
			}
		})
	}
	random := rand.New(rand.NewPCG(8, 9))
	progress := watchdog(t)
	buf := make([]byte, client.MaxFrame())
	for range writers * frames {
		h, err := server.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := readAll(server, buf[:h.Length]); err != nil {
			t.Fatal(err)
		}
		dawdle(random)
		progress()
	}
	wg.Wait()
}
