package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/shm"
)

// patience is how long a test waits for what must come.
const patience = 120 * time.Second

// roleEnv tells the test binary that it is a second process: what to do, and the rendezvous to do it at.
const roleEnv, pathEnv = "HOTLINE_SHM_ROLE", "HOTLINE_SHM_PATH"

func TestMain(m *testing.M) {
	transporttest.Main(conformance)
	if role := os.Getenv(roleEnv); role != "" {
		if err := play(role, os.Getenv(pathEnv)); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	wait.Parallel()
	goleak.VerifyTestMain(m)
}

// play is what a second process does.
func play(role, path string) error {
	if played, err := playStream(role, path); played {
		return err
	}
	if role == "half a request" {
		sock, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		if _, err := sock.Write([]byte("hotlnshm")); err != nil {
			return err
		}
		select {} // to be killed
	}
	var opts shm.Options
	if role == "dawdling echo" {
		opts.MaxSpin = -1
	}
	conn, err := shm.Dial(context.Background(), path, &opts)
	if err != nil {
		return err
	}
	defer conn.Close()
	switch role {
	case "dawdling echo": // send the headers back, without haste
		if err := dawdlingEcho(conn, 2); err != io.EOF {
			return err
		}
		return nil
	case "shrinking echo": // the same of everything, from a ring whose memory is given back all the time
		if err := shrinkingEcho(conn); err != io.EOF {
			return err
		}
		return nil
	case "echo": // send everything back
		if err := echo(conn); err != io.EOF {
			return err
		}
		return nil
	case "write": // write numbered frames for ever
		p := make([]byte, 100)
		for id := uint64(1); ; id++ {
			if err := conn.Write(link.Stop{}, call(id, len(p)), nil, p); err != nil {
				return err
			}
		}
	case "hold": // say hello, and do nothing more
		if err := conn.Write(link.Stop{}, call(1, 0), nil, nil); err != nil {
			return err
		}
		select {}
	}
	return fmt.Errorf("no such role")
}

// echo sends back every frame until an error comes.
func echo(conn link.Conn) error {
	buf := make([]byte, wire.MaxFramePayload)
	var h wire.Header // escapes, once
	for {
		conn.Ready()
		var err error
		if h, err = conn.Next(); err != nil {
			return err
		}
		if err := readAll(conn, buf[:h.Length]); err != nil {
			return err
		}
		if err := conn.Write(link.Stop{}, &h, nil, buf[:h.Length]); err != nil {
			return err
		}
	}
}

// readAll reads the present frame's payload, which has the length of p.
func readAll(conn link.Conn, p []byte) error {
	for len(p) > 0 {
		n, err := conn.Read(p)
		if err != nil && !errors.Is(err, link.ErrInterrupted) {
			return err
		}
		p = p[n:]
	}
	return nil
}

// socketPath returns a path for a socket, short enough for one.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// listen makes a listener that ends with the test.
func listen(t testing.TB, opts *shm.Options) (*shm.Listener, string) {
	t.Helper()
	path := socketPath(t)
	ln, err := shm.Listen(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln, path
}

// pair makes a connection within this process that ends with the test.
func pair(t testing.TB, opts *shm.Options) (server, client *shm.Conn) {
	t.Helper()
	return pairOf(t, opts, opts)
}

// pairOf is pair with other options for each side.
func pairOf(t testing.TB, listening, dialling *shm.Options) (server, client *shm.Conn) {
	t.Helper()
	ln, path := listen(t, listening)
	client, err := shm.Dial(context.Background(), path, dialling)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return accept(t, ln), client
}

// accept takes the next connection of ln.
func accept(t testing.TB, ln *shm.Listener) *shm.Conn {
	t.Helper()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// spawn starts a second process in a role, and returns the connection with it.
func spawn(t testing.TB, role string, opts *shm.Options) (*shm.Conn, *exec.Cmd) {
	t.Helper()
	ln, path := listen(t, opts)
	cmd := start(t, role, path)
	return accept(t, ln), cmd
}

// start starts a second process in a role, until the test ends.
func start(t testing.TB, role, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), roleEnv+"="+role, pathEnv+"="+path)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	return cmd
}

// kill ends a second process with SIGKILL.
func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// call returns the header of a frame with n bytes.
func call(id uint64, n int) *wire.Header {
	return &wire.Header{Kind: wire.KindCall, ID: id, Length: uint32(n), Total: uint32(n)}
}
