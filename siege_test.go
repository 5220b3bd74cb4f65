package hotline_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/link"
	"hotline/internal/race"
	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/nettcp"
	"hotline/shm"
)

// siegeEnv makes this test binary a server, in the runtime directory that the variable names, until its standard input ends.
// For each byte that it reads there it writes a line: how much memory it had in use at most since the last one, in bytes.
const siegeEnv = "HOTLINE_TEST_SIEGE"

// siegeMemory is what the server may use: its limit in bytes, which the test holds it to.
const siegeMemory = 64 << 20

// siegeLog is the server's log, in the runtime directory.
const siegeLog = "log"

type siegeMethods struct {
	Echo func(ctx context.Context, data []byte) ([]byte, error)                  `codec:"raw"`
	Wait func(ctx context.Context) error                                         `codec:"raw"`
	Pump func(ctx context.Context, never io.Reader) (io.ReadCloser, error)       `codec:"raw"`
	Half func(ctx context.Context, r io.Reader) (io.ReadCloser, error)           `codec:"raw"`
	Part func(ctx context.Context, of iter.Seq[[]byte]) iter.Seq2[[]byte, error] `codec:"raw"`
}

type siegeServer struct {
	hotline.ServerMethodsBase `port:"5571" name:"siege"`
	siegeMethods
}

func (*siegeServer) Echo(_ context.Context, data []byte) ([]byte, error) { return data, nil }

func (*siegeServer) Wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Pump never reads, and sends without end.
func (*siegeServer) Pump(context.Context, io.Reader) (io.ReadCloser, error) {
	return io.NopCloser(zeros{}), nil
}

// siegeTaste is how much Half and Part read: so much that credit was given for more.
const siegeTaste = wire.StreamWindow + 1

// Half reads a little, and sends without end.
func (*siegeServer) Half(_ context.Context, r io.Reader) (io.ReadCloser, error) {
	_, err := io.CopyN(io.Discard, r, siegeTaste)
	return io.NopCloser(zeros{}), err
}

// Part is Half with items.
func (*siegeServer) Part(_ context.Context, of iter.Seq[[]byte]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		n := 0
		for b := range of {
			if n += len(b); n >= siegeTaste {
				for yield(b, nil) {
				}
				return
			}
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type siegeClient struct {
	hotline.ClientMethodsBase `name:"siege"`
	siegeMethods
}

func siegeMain() {
	dir := os.Getenv(siegeEnv)
	file, err := os.OpenFile(filepath.Join(dir, siegeLog), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		logger := zerolog.New(file)
		srv := &hotline.Server{Dir: dir, Logger: &logger, TCPBind: "127.0.0.1:0"} // all limits are the defaults
		ctx, cancel := context.WithCancel(context.Background())
		var peak atomic.Uint64
		go watchMemory(ctx, &peak)
		go func() {
			defer cancel()
			for b := make([]byte, 1); ; fmt.Println(peak.Swap(0)) {
				if _, err := os.Stdin.Read(b); err != nil {
					return
				}
			}
		}()
		if err = srv.Register(new(siegeServer)); err == nil {
			err = srv.Serve(ctx)
		}
		cancel()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// watchMemory keeps in peak how much memory was in use at most, in bytes, until ctx ends: objects on the heap, reachable or not
// yet collected, and the stacks of goroutines. It is looked at every millisecond.
func watchMemory(ctx context.Context, peak *atomic.Uint64) {
	in := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	for ctx.Err() == nil {
		metrics.Read(in)
		if n := in[0].Value.Uint64() + in[1].Value.Uint64(); n > peak.Load() {
			peak.Store(n)
		}
		time.Sleep(time.Millisecond)
	}
}

// siege is a server in another process that is attacked, and an honest client of it.
type siege struct {
	dir      string
	peer     *exec.Cmd
	stdin    io.WriteCloser
	stdout   *bufio.Reader
	honest   siegeClient
	answered atomic.Int64 // calls of the honest client
	over     atomic.Bool
	calling  sync.WaitGroup
	methods  map[string]uint16
}

// TestSiege attacks a server in every way that a peer has, over every transport. The link, or the call, ends with one clear
// error; the server uses little memory; and a client on another link is answered all the while.
func TestSiege(t *testing.T) {
	s := startSiege(t)
	for _, scheme := range []string{"tcp", "unix", "shm"} {
		if scheme == "shm" && runtime.GOOS != "linux" {
			continue // there is no shared memory
		}
		for _, a := range attacks {
			t.Run(scheme+"/"+a.name, func(t *testing.T) { s.attack(t, scheme, &a) })
		}
		if scheme != "shm" {
			t.Run(scheme+"/half frames", func(t *testing.T) { s.halfFrames(t, scheme) })
			t.Run(scheme+"/silent connections", func(t *testing.T) { s.silent(t, scheme) })
		}
	}
	s.over.Store(true)
	s.calling.Wait()
	if err := s.honest.Close(); err != nil {
		t.Error(err)
	}
	if err := s.stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := s.peer.Wait(); err != nil {
		t.Errorf("the server: %v", err)
	}
}

// checkMemory asks the server how much memory it had in use at most since it was asked last.
func (s *siege) checkMemory(t *testing.T) {
	t.Helper()
	if _, err := s.stdin.Write([]byte{'?'}); err != nil {
		t.Fatal(err)
	}
	line, err := s.stdout.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	peak, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MiB were in use at most", float64(peak)/(1<<20))
	allowed := uint64(siegeMemory)
	if race.Enabled {
		allowed += allowed / 4
	}
	if peak > allowed {
		t.Errorf("%.1f MiB were in use, at most %d are allowed", float64(peak)/(1<<20), allowed>>20)
	}
}

func startSiege(t *testing.T) *siege {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &siege{dir: tempDir(t), peer: exec.Command(exe), methods: make(map[string]uint16)}
	s.peer.Env = append(os.Environ(), siegeEnv+"="+s.dir, "GOMEMLIMIT="+strconv.Itoa(siegeMemory))
	s.peer.Stderr = os.Stderr
	stdout, err := s.peer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.stdout = bufio.NewReader(stdout)
	if s.stdin, err = s.peer.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.peer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.peer.Process.Kill() // it has ended, where all went well
		_ = s.peer.Wait()
	})
	waitReady(t, s.dir, 1, make(chan error, 1))
	if err := (&hotline.Dialer{Dir: s.dir}).Connect(t.Context(), &s.honest, "unix://"); err != nil {
		t.Fatal(err)
	}
	for i, m := range s.honest.Client().Service().Methods {
		s.methods[m.Name] = uint16(i)
	}
	s.calling.Go(func() {
		for !s.over.Load() {
			if _, err := s.honest.Echo(context.Background(), make([]byte, 100)); err != nil {
				t.Errorf("the honest client: %v", err)
				return
			}
			s.answered.Add(1)
			time.Sleep(100 * time.Microsecond) // the machine has others to run
		}
	})
	return s
}

// dial connects and does the handshake. From there on the caller is who it wants to be.
func (s *siege) dial(t *testing.T, scheme string) link.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var conn link.Conn
	var err error
	switch at := strings.TrimPrefix(addressOf(t, s.dir, scheme), scheme+"://"); scheme {
	case "shm":
		conn, err = shm.Dial(ctx, at, nil)
	default:
		conn, err = nettcp.Dial(ctx, scheme, at, nil)
	}
	if err == nil {
		_, err = link.Greet(ctx, conn, &wire.Hello{Oldest: wire.Version, Newest: wire.Version, MaxMessage: math.MaxInt32})
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// attack attacks over a link of its own, and wants the honest client to be answered meanwhile and afterwards.
func (s *siege) attack(t *testing.T, scheme string, a *attack) {
	conn := s.dial(t, scheme)
	before, said := s.answered.Load(), s.said(t, a.ends)
	attacker := &attacker{Conn: conn, methods: s.methods, credits: make(chan wire.Header, 64*link.DefaultMaxInFlight), test: t}
	if !a.deaf {
		go attacker.listen()
	}
	a.run(attacker)
	if a.ends != "" {
		wait.Until(t, "the end of the link, and why", func() bool { return s.said(t, a.ends) > said })
	}
	if a.ends == "" && !a.deaf {
		if err := attacker.Write(link.Stop{}, &wire.Header{Kind: wire.KindPing, ID: lastPing}, nil, nil); err != nil {
			t.Errorf("the link has ended: %v", err)
		}
		wait.Until(t, "an answer behind all that", attacker.heard.Load)
	}
	wait.Until(t, "answers to the honest client", func() bool { return s.answered.Load() > before+10 })
	s.checkMemory(t)
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// said returns how often the server's log has a text.
func (s *siege) said(t *testing.T, text string) int {
	log, err := os.ReadFile(filepath.Join(s.dir, siegeLog))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(log, []byte(text))
}
