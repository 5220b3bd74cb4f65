package hotline_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
)

// peerEnv makes this test binary a peer: a process that serves the echo service, and a hand-written echo beside it, in
// the runtime directory that the variable names, until its standard input ends.
const peerEnv = "HOTLINE_TEST_PEER"

// byHand is the socket of the hand-written echo in the runtime directory.
const byHand = "by-hand"

// peerServer is the echo service as the peer serves it: it tells about its own process too.
type peerServer struct {
	echoServer
	hotline.ServerMethodsBase `port:"5555" name:"echo_serv" version:"1.2.0"`
}

// Memory returns the heap and stacks in use after a collection, in bytes.
func (s *peerServer) Memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// CPU returns the CPU time of the peer's process.
func (s *peerServer) CPU() time.Duration { return cpuTime() }

// Mallocs returns the number of objects that the peer's process has allocated.
func (s *peerServer) Mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func peerMain() {
	dir := os.Getenv(peerEnv)
	nop := zerolog.Nop()
	srv := &hotline.Server{Dir: dir, Logger: &nop}
	if err := srv.Register(new(peerServer)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ln, err := net.Listen("unix", filepath.Join(dir, byHand))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go echoByHand(ln)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := srv.Serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startPeer starts a peer, and stops it when the test ends.
func startPeer(t testing.TB) (dir string, peer *exec.Cmd) { return startPeerAs(t, func(*exec.Cmd) {}) }

// startPeerAs is startPeer with a last change to how it is started.
func startPeerAs(t testing.TB, change func(*exec.Cmd)) (dir string, peer *exec.Cmd) {
	t.Helper()
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	peer = exec.Command(exe)
	peer.Env = append(os.Environ(), peerEnv+"="+dir)
	peer.Stderr = os.Stderr
	change(peer)
	stdin, err := peer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = peer.Wait() // a test may have killed it
		os.RemoveAll(dir)
	})
	waitReady(t, dir, 1, make(chan error, 1))
	return dir, peer
}

// echoByHand is what a careful programmer writes by hand for one call at a time: a length, then that many bytes.
func echoByHand(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			r := bufio.NewReaderSize(conn, 4<<10)
			buf := make([]byte, 4<<10)
			for {
				if _, err := io.ReadFull(r, buf[:4]); err != nil {
					return
				}
				n := binary.LittleEndian.Uint32(buf)
				if _, err := io.ReadFull(r, buf[4:4+n]); err != nil {
					return
				}
				if _, err := conn.Write(buf[:4+n]); err != nil {
					return
				}
			}
		}()
	}
}

// A client sees its server's death at once, in the middle of a call and between calls.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"shm://", "unix://"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel() // the last call waits for another instance
			dir, peer := startPeer(t)
			var c echoClient
			d := &hotline.Dialer{Dir: dir}
			if err := d.Connect(t.Context(), &c, address); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			asleep := make(chan error)
			go func() { asleep <- c.Sleep(context.Background(), time.Hour) }()
			if _, err := c.Sum(t.Context(), 1, 2); err != nil {
				t.Fatal(err)
			}
			if err := peer.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := <-asleep; !errorsIsOutcome(err) {
				t.Errorf("a call whose server was killed: got %v, want ErrMaybeExecuted or ErrNotExecuted", err)
			}
			if _, err := c.Sum(t.Context(), 1, 2); !errorsIsOutcome(err) {
				t.Errorf("a call afterwards: got %v, want ErrNotExecuted", err)
			}
		})
	}
}
