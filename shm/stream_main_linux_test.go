package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"

	"hotline/shm"
)

// playStream is what a second process does with byte streams. It reports false for a role that isn't about them.
func playStream(role, path string) (played bool, err error) {
	switch role {
	case "stream relay":
		return true, relayPairs(path)
	case "stream echo", "stream drain", "stream write", "stream hold":
		s, err := shm.DialStream(context.Background(), path, nil)
		if err != nil {
			return true, err
		}
		defer s.Close()
		return true, playConn(role, s)
	case "unix echo", "unix drain":
		c, err := net.Dial("unix", path)
		if err != nil {
			return true, err
		}
		defer c.Close()
		return true, playConn("stream"+role[len("unix"):], c)
	case "stream http":
		return true, playHTTP(path)
	}
	return false, nil
}

// playConn is what a second process does with one connection of any kind.
func playConn(role string, c net.Conn) error {
	switch role {
	case "stream echo": // send back what comes, to the end
		buf := make([]byte, 256<<10)
		for {
			n, err := c.Read(buf)
			if err == io.EOF {
				return c.(interface{ CloseWrite() error }).CloseWrite()
			}
			if err != nil {
				return err
			}
			if _, err := c.Write(buf[:n]); err != nil {
				return err
			}
		}
	case "stream drain": // read to the end and say so by a byte
		buf := make([]byte, 64<<10)
		for {
			_, err := c.Read(buf)
			if err == io.EOF {
				_, err := c.Write(buf[:1])
				return err
			}
			if err != nil {
				return err
			}
		}
	case "stream write": // write the pattern for ever
		buf := make([]byte, 10_007)
		for at := 0; ; at += len(buf) {
			pattern(buf, at)
			if _, err := c.Write(buf); err != nil {
				return err
			}
		}
	case "stream hold": // write a byte, and nothing more
		if _, err := c.Write([]byte{1}); err != nil {
			return err
		}
		select {}
	}
	return fmt.Errorf("no such role")
}

// pattern fills p with the bytes of the test pattern from offset at on. No two places near each other look alike.
func pattern(p []byte, at int) {
	for i := range p {
		n := uint32(at + i)
		p[i] = byte((n*2654435761)>>24) ^ byte(n)
	}
}

// firstWrong returns where p differs from the pattern at offset at, or -1.
func firstWrong(p []byte, at int) int {
	want := make([]byte, len(p))
	pattern(want, at)
	for i := range p {
		if p[i] != want[i] {
			return at + i
		}
	}
	return -1
}

// relayPairs listens at path and moves bytes between the first connection and the second, the third and the
// fourth, and so on, until it is killed.
func relayPairs(path string) error {
	ln, err := shm.ListenStream(path, nil)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		a, err := ln.Accept()
		if err != nil {
			return err
		}
		b, err := ln.Accept()
		if err != nil {
			return err
		}
		go relay(a.(*shm.Stream), b.(*shm.Stream))
	}
}

// relay moves bytes between two connections, both ways, and the ends of both. When one is gone so is the other.
func relay(a, b *shm.Stream) {
	var wg sync.WaitGroup
	move := func(to, from *shm.Stream) {
		_, err := io.Copy(to, from)
		_ = to.CloseWrite()
		if err != nil { // one of them is gone
			_, _ = to.Close(), from.Close()
		}
	}
	wg.Go(func() { move(a, b) })
	wg.Go(func() { move(b, a) })
	wg.Wait()
	_, _ = a.Close(), b.Close()
}

// startReady starts a second process that listens, until the test ends, and returns where.
func startReady(t testing.TB, role string) (path string) {
	t.Helper()
	path = socketPath(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), roleEnv+"="+role, pathEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatalf("%s doesn't say that it is ready: %v", role, err)
	}
	return path
}

// listenStream makes a listener that ends with the test.
func listenStream(t testing.TB, opts *shm.Options) (*shm.StreamListener, string) {
	t.Helper()
	path := socketPath(t)
	ln, err := shm.ListenStream(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln, path
}

// dialStream connects until the test ends.
func dialStream(t testing.TB, path string, opts *shm.Options) *shm.Stream {
	t.Helper()
	s, err := shm.DialStream(context.Background(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// acceptStream takes the next connection of ln.
func acceptStream(t testing.TB, ln *shm.StreamListener) *shm.Stream {
	t.Helper()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*shm.Stream)
}

// streamPair makes a connection within this process that ends with the test.
func streamPair(t testing.TB, opts *shm.Options) (server, client *shm.Stream) {
	t.Helper()
	ln, path := listenStream(t, opts)
	client = dialStream(t, path, opts)
	return acceptStream(t, ln), client
}

// relayedPair makes the two ends of a way through a second process.
func relayedPair(t testing.TB, path string) (a, b *shm.Stream) {
	t.Helper()
	return dialStream(t, path, nil), dialStream(t, path, nil)
}

// spawnStream starts a second process in a role, and returns the connection with it.
func spawnStream(t testing.TB, role string, opts *shm.Options) (*shm.Stream, *exec.Cmd) {
	t.Helper()
	ln, path := listenStream(t, opts)
	cmd := start(t, role, path)
	return acceptStream(t, ln), cmd
}

// checkIs fails the test unless errors.Is finds want in err.
func checkIs(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}
