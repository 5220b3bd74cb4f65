package hotline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/wait"
)

var kills = flag.Int("kills", 12, "how many servers TestKilledServers kills")

// marksEnv makes this test binary a server that writes down which calls it executed, in the runtime directory that the
// variable names, until its standard input ends.
const marksEnv = "HOTLINE_TEST_MARKS"

// marksFile has eight bytes for each execution, in the runtime directory.
const marksFile = "marks"

type markMethods struct {
	Once func(ctx context.Context, id uint64) error
	More func(ctx context.Context, id uint64) error `idempotent:"true"`
}

type markServer struct {
	hotline.ServerMethodsBase `port:"marks" name:"marks"`
	markMethods
	file *os.File
}

// Once writes id down. What one write has appended is there though the process is killed in the next moment.
func (s *markServer) Once(_ context.Context, id uint64) error {
	_, err := s.file.Write(binary.LittleEndian.AppendUint64(nil, id))
	return err
}

func (s *markServer) More(ctx context.Context, id uint64) error { return s.Once(ctx, id) }

type markClient struct {
	hotline.ClientMethodsBase `name:"marks"`
	markMethods
}

func marksMain() {
	dir := os.Getenv(marksEnv)
	file, err := os.OpenFile(filepath.Join(dir, marksFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		nop := zerolog.Nop()
		srv := &hotline.Server{Dir: dir, Logger: &nop}
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
	kill    func()
}

func startMarks(t testing.TB, dir string) marksProcess {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	peer := exec.Command(exe)
	peer.Env = append(os.Environ(), marksEnv+"="+dir)
	peer.Stderr = os.Stderr
	stdin, err := peer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	var ended sync.Once
	end := func(how func() error) func() {
		return func() { ended.Do(func() { _ = how(); _ = peer.Wait() }) } // a killed process is an error of Wait's
	}
	t.Cleanup(end(stdin.Close))
	return marksProcess{peer.Process, end(peer.Process.Kill)}
}

// outcome is what a caller knows of a call.
type outcome int

const (
	executed outcome = iota + 1
	notExecuted
	maybeExecuted
)

// TestKilledServers kills servers under load, over and over, and compares what callers know of each call with how often
// it was executed: never twice unless it is idempotent, once where it ended well, and never where the error says so.
func TestKilledServers(t *testing.T) {
	for _, address := range []string{"shm://", "unix://"} {
		t.Run(address, func(t *testing.T) { testKilledServers(t, address) })
	}
}

func testKilledServers(t *testing.T, address string) {
	dir := tempDir(t)
	startMarks(t, dir) // one that lives on, so that calls have somewhere to go
	waitReady(t, dir, 1, make(chan error, 1))
	var c markClient
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(t.Context(), &c, address); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	var mu sync.Mutex
	outcomes := make(map[uint64]outcome)
	var next atomic.Uint64
	var over atomic.Bool
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for !over.Load() {
				id := next.Add(1)
				call, got := c.Once, executed
				if id%2 == 0 {
					call = c.More
				}
				err := call(ctx, id)
				switch {
				case errors.Is(err, hotline.ErrMaybeExecuted) && id%2 == 1:
					got = maybeExecuted
				case errors.Is(err, hotline.ErrNotExecuted):
					got = notExecuted
				case err != nil:
					t.Errorf("call %d: %v", id, err)
				}
				mu.Lock()
				outcomes[id] = got
				mu.Unlock()
			}
		})
	}
	for range *kills {
		peer := startMarks(t, dir)
		wait.Until(t, "a link to the new instance", func() bool { return hotline.Links(c.Client()) == 2 })
		peer.kill()
	}
	over.Store(true)
	group.Wait()
	compareMarks(t, dir, outcomes)
}

// compareMarks holds what callers know against what was executed.
func compareMarks(t *testing.T, dir string, outcomes map[uint64]outcome) {
	marks, err := os.ReadFile(filepath.Join(dir, marksFile))
	if err != nil || len(marks)%8 != 0 {
		t.Fatalf("%d bytes of marks: %v", len(marks), err)
	}
	times := make(map[uint64]int)
	for ; len(marks) > 0; marks = marks[8:] {
		times[binary.LittleEndian.Uint64(marks)]++
	}
	count := make(map[outcome]int)
	for id, o := range outcomes {
		count[o]++
		n, once := times[id], id%2 == 1
		if n > 1 && once || n == 0 && o == executed || n > 0 && o == notExecuted {
			t.Errorf("call %d was executed %d times, and its caller was told %d", id, n, o)
		}
	}
	t.Logf("%d calls ended well, %d were not executed, of %d nobody knows", count[executed], count[notExecuted], count[maybeExecuted])
}
