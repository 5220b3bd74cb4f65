package hotline_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/outcometest"
	"hotline/internal/wait"
)

var kills = flag.Int("kills", 12, "how many servers TestKilledServers kills")

// marksEnv makes this test binary a server that writes down which calls it executed, in the runtime directory that the
// variable names, until its standard input ends.
const marksEnv = "HOTLINE_TEST_MARKS"

// marksFile has eight bytes for each execution, in the runtime directory.
const marksFile = "marks"

// marksTCP is the variable with the address that such a server listens on for TCP.
const marksTCP = "HOTLINE_TEST_MARKS_TCP"

type markMethods struct {
	Once func(ctx context.Context, id uint64) error
	More func(ctx context.Context, id uint64) error `idempotent:"true"`
	Tell func(ctx context.Context, id uint64) error `oneway:"true"`
	Each func(ctx context.Context, ids iter.Seq[uint64]) (int, error)
}

type markServer struct {
	hotline.ServerMethodsBase `port:"5573" name:"marks"`
	markMethods
	file  *os.File
	first sync.Once
}

// Once notes that it ran. Of the first call the process tells on its standard output.
func (s *markServer) Once(_ context.Context, id uint64) error {
	err := outcometest.Mark(s.file, id)
	s.first.Do(func() { fmt.Println("called") })
	return err
}

func (s *markServer) More(ctx context.Context, id uint64) error { return s.Once(ctx, id) }
func (s *markServer) Tell(ctx context.Context, id uint64) error { return s.Once(ctx, id) }
func (s *markServer) Each(ctx context.Context, ids iter.Seq[uint64]) (n int, err error) {
	for id := range ids {
		if err := s.Once(ctx, id); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

type markClient struct {
	hotline.ClientMethodsBase `name:"marks"`
	markMethods
}

func marksMain() {
	dir := os.Getenv(marksEnv)
	file, err := os.OpenFile(filepath.Join(dir, marksFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		nop := zerolog.Nop()
		srv := &hotline.Server{Dir: dir, Logger: &nop, TCPBind: os.Getenv(marksTCP)}
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		if err = srv.Register(&markServer{file: file}); err == nil {
			err = srv.Serve(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// marksProcess is a server process. kill ends it by SIGKILL, or the end of the test by the end of its input.
type marksProcess struct {
	process *os.Process
	called  <-chan struct{} // closed when it has executed a call, or has ended
	kill    func()
}

func startMarks(t testing.TB, dir string, environ ...string) marksProcess {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	peer := exec.Command(exe)
	peer.Env = append(append(os.Environ(), marksEnv+"="+dir), environ...)
	peer.Stderr = os.Stderr
	stdin, err := peer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := peer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{})
	go func() {
		defer close(called)
		_, _ = stdout.Read(make([]byte, 1)) // at its end there was no call
	}()
	var ended sync.Once
	end := func(how func() error) func() {
		return func() { ended.Do(func() { _ = how(); <-called; _ = peer.Wait() }) } // a killed process is an error of Wait's
	}
	t.Cleanup(end(stdin.Close))
	return marksProcess{peer.Process, called, end(peer.Process.Kill)}
}

// moment is when a server is killed: when so many calls have ended.
type moment struct {
	calls int64
	come  chan struct{}
}

// marker makes calls.
type marker struct {
	client markClient
	ledger outcometest.Ledger
	over   atomic.Bool
	ended  atomic.Int64 // calls
	next   atomic.Pointer[moment]
}

// itemsOfCall is how many numbers a call has.
const itemsOfCall = 4

// call makes the nth call.
func (m *marker) call(ctx context.Context, n uint64) error {
	c, id := &m.client, n*itemsOfCall
	items := []uint64{id, id + 1, id + 2, id + 3}
	switch n % 4 {
	case 0:
		return m.ledger.Call(ctx, id, false, func(ctx context.Context) error { return c.Once(ctx, id) })
	case 1:
		return m.ledger.Call(ctx, id, true, func(ctx context.Context) error { return c.More(ctx, id) })
	case 2:
		return m.ledger.Call(ctx, id, false, func(ctx context.Context) error {
			if err := c.Tell(ctx, id); err != nil {
				return err
			}
			return hotline.ErrMaybeExecuted // which is all that a caller ever learns of it
		})
	}
	return m.ledger.Call(ctx, id, false, func(ctx context.Context) error {
		count, err := c.Each(ctx, slices.Values(items))
		if err == nil && count != len(items) {
			return fmt.Errorf("%d items of %d came", count, len(items))
		}
		return err
	}, items[1:]...)
}

// run makes calls until m.over is set.
func (m *marker) run(ctx context.Context, t *testing.T, n *atomic.Uint64) {
	for !m.over.Load() {
		call := n.Add(1)
		if err := m.call(ctx, call); err != nil {
			t.Errorf("call %d: %v", call, err)
			return
		}
		ended := m.ended.Add(1)
		if at := m.next.Load(); at != nil && ended >= at.calls && m.next.CompareAndSwap(at, nil) {
			close(at.come)
		}
		time.Sleep(50 * time.Microsecond) // processes that are started need the CPU, too
	}
}

// kill kills a server when a number of calls have ended from now on.
func (m *marker) kill(t *testing.T, p marksProcess, calls int64) {
	t.Helper()
	at := &moment{m.ended.Load() + calls, make(chan struct{})}
	m.next.Store(at)
	wait.Receive(t, "the moment of a kill", at.come)
	p.kill()
}

// TestKilledServers kills servers under load, over and over, and compares what callers know of each call with how often
// it was executed: never twice unless it is idempotent, once where it ended well, and never where the error says so. The
// same is asked of one-way calls, and of the items of streams.
func TestKilledServers(t *testing.T) {
	for _, address := range []string{"shm://", "unix://", "tcp://"} {
		t.Run(strings.TrimSuffix(address, "://"), func(t *testing.T) { testKilledServers(t, address) })
	}
}

func testKilledServers(t *testing.T, address string) {
	seed := rand.Uint64()
	t.Logf("the moments are those of seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))
	dir, environ := tempDir(t), []string(nil)
	if address == "tcp://" { // one server at a time, at one address
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := ln.Addr().String()
		ln.Close()
		address, environ = address+at, []string{marksTCP + "=" + at}
	}
	last := startMarks(t, dir, environ...) // over TCP the only one, else one that lives on, so that calls have somewhere to go
	waitReady(t, dir, 1, make(chan error, 1))
	m := new(marker)
	d := &hotline.Dialer{Dir: dir, Timeout: patience}
	if err := d.Connect(t.Context(), &m.client, address); err != nil {
		t.Fatal(err)
	}
	defer m.client.Close()
	// The calls of all kills together have as long as one kill may take for each: a call that hangs ends all the same.
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(*kills)*patience)
	defer cancel()
	var n atomic.Uint64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { m.run(ctx, t, &n) })
	}
	defer func() {
		m.over.Store(true)
		group.Wait()
		m.ledger.Compare(t, outcometest.Marks(t, filepath.Join(dir, marksFile)))
	}()
	if environ != nil {
		for range *kills {
			wait.Receive(t, "a call", last.called)
			m.kill(t, last, moments.Int64N(100))
			last = startMarks(t, dir, environ...)
		}
		return
	}
	var started []marksProcess // some start while others are killed
	for killed := range *kills {
		for len(started) < min(4, *kills-killed) {
			started = append(started, startMarks(t, dir))
		}
		p := started[0]
		started = started[1:]
		if moments.IntN(4) > 0 { // else it is killed while it starts, or as it has no links yet
			wait.Receive(t, "a call", p.called)
		}
		m.kill(t, p, moments.Int64N(100))
	}
}
