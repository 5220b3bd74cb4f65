package shm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/shm"
)

// large is more than the rings of these tests hold.
const large = 3 << 20

// TestStreamAddr: the listener's end has the rendezvous as its address, the other has none.
func TestStreamAddr(t *testing.T) {
	ln, path := listenStream(t, nil)
	client := dialStream(t, path, nil)
	server := acceptStream(t, ln)
	for _, c := range []struct {
		what string
		addr net.Addr
		want string
	}{
		{"the listener's", ln.Addr(), path},
		{"the server's own", server.LocalAddr(), path},
		{"the server's peer's", server.RemoteAddr(), "@"},
		{"the client's own", client.LocalAddr(), "@"},
		{"the client's peer's", client.RemoteAddr(), path},
	} {
		if c.addr.Network() != "shm" || c.addr.String() != c.want {
			t.Errorf("%s address: %s %s, want shm %s", c.what, c.addr.Network(), c.addr, c.want)
		}
	}
	if !server.Trusted() || !client.Trusted() {
		t.Error("a peer of the same user isn't trusted")
	}
	_ = ln.Close()
	_, err := ln.Accept()
	var op *net.OpError
	if !errors.As(err, &op) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %T %v, want a net.OpError that is net.ErrClosed", err, err)
	}
}

// TestStreamKinds: who dials for the other kind of connection is told so, in full.
func TestStreamKinds(t *testing.T) {
	var refused *shm.RefusedError
	_, path := listenStream(t, nil)
	if _, err := shm.Dial(t.Context(), path, nil); !errors.As(err, &refused) || !strings.HasSuffix(err.Error(), "dial with shm.DialStream") {
		t.Errorf("Dial to a listener of streams: %v", err)
	}
	_, path = listen(t, nil)
	if _, err := shm.DialStream(t.Context(), path, nil); !errors.As(err, &refused) || !strings.HasSuffix(err.Error(), "dial with shm.Dial") {
		t.Errorf("DialStream to a listener for calls: %v", err)
	}
}

// TestStreamWrongAnswer: a listener that accepts for something else than was asked for is not believed.
func TestStreamWrongAnswer(t *testing.T) {
	for what, dial := range map[string]func(path string) error{
		"calls":   func(path string) error { _, err := shm.Dial(context.Background(), path, nil); return err },
		"streams": func(path string) error { _, err := shm.DialStream(context.Background(), path, nil); return err },
	} {
		path := socketPath(t)
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		answer := shm.StreamReply
		if what == "streams" {
			answer = shm.CallsReply
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			sock, err := ln.AcceptUnix()
			if err != nil {
				t.Error(err)
				return
			}
			defer sock.Close()
			var fds []int
			for _, create := range []func() (int, error){newRing, newRing, shm.CreateBell, shm.CreateBell} {
				fd, err := create()
				if err != nil {
					t.Error(err)
					return
				}
				defer unix.Close(fd)
				fds = append(fds, fd)
			}
			if _, _, err := sock.WriteMsgUnix(answer, unix.UnixRights(fds...), nil); err != nil {
				t.Error(err)
			}
			_, _ = io.Copy(io.Discard, sock)
		})
		var protocol *wire.ProtocolError
		if err := dial(path); !errors.As(err, &protocol) || !strings.Contains(err.Error(), "answer is about") {
			t.Errorf("a dial for %s with an answer for the other: %v, want a protocol error", what, err)
		}
		wg.Wait()
	}
}

// newRing makes the file of a ring as a listener does.
func newRing() (int, error) {
	fd, err := shm.CreateRing(shm.MinRingSize)
	if err == nil {
		err = shm.InitialiseRing(fd, shm.MinRingSize)
	}
	return fd, err
}

// fill writes until there is no room, to a stream that is new and that nobody reads, and returns how much of the pattern
// was written. The last frame takes the last byte of room.
func fill(t testing.TB, s *shm.Stream) (n int) {
	t.Helper()
	p := make([]byte, large)
	pattern(p, 0)
	var wg sync.WaitGroup
	wg.Go(func() {
		var err error
		n, err = s.Write(p)
		checkTimeout(t, "Write into a full ring", err)
	})
	wait.Until(t, "Write doesn't wait", func() bool { return s.Conn().Waiting() == 1 })
	if err := s.SetWriteDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	wait.Return(t, "Write after its deadline", wg.Wait)
	if err := s.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	return n
}

// checkTimeout fails the test unless err is what a deadline makes.
func checkTimeout(t testing.TB, what string, err error) {
	t.Helper()
	var op *net.OpError
	var timeout net.Error
	if !errors.As(err, &op) || !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: %T %v, want a net.OpError that is a timeout and %v", what, err, err, os.ErrDeadlineExceeded)
	}
}

// checkRest reads n bytes of the pattern from offset at on, and then the error want.
func checkRest(t testing.TB, s *shm.Stream, at, n int, want error) {
	t.Helper()
	wait.Return(t, "reading the rest", func() {
		p := make([]byte, n)
		if m, err := io.ReadFull(s, p); err != nil {
			t.Errorf("reading %d bytes: %d, %v", n, m, err)
			return
		}
		if i := firstWrong(p, at); i >= 0 {
			t.Errorf("byte %d is wrong", i)
		}
		for range 2 {
			if m, err := s.Read(p[:min(1, n)]); n > 0 && (m != 0 || !errors.Is(err, want)) {
				t.Errorf("Read after the last byte: %d, %v, want %v", m, err, want)
			}
		}
	})
}

// TestStreamHalfClose: each direction ends on its own, and what was written before is read.
func TestStreamHalfClose(t *testing.T) {
	t.Run("in turn", func(t *testing.T) {
		server, client := streamPair(t, nil)
		p := make([]byte, 100_000)
		pattern(p, 0)
		if _, err := client.Write(p); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		n, err := client.Write(p)
		checkIs(t, "Write after CloseWrite", err, syscall.EPIPE)
		if n != 0 || errors.Is(err, shm.ErrPeerGone) {
			t.Errorf("Write after CloseWrite: %d, %v", n, err)
		}
		checkRest(t, server, 0, len(p), io.EOF)
		if _, err := server.Write(p); err != nil { // the other direction goes on
			t.Fatal(err)
		}
		if err := server.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		checkRest(t, client, 0, len(p), io.EOF)
	})
	t.Run("of a sleeping reader", func(t *testing.T) {
		server, client := streamPair(t, nil)
		result := make(chan error, 1)
		go func() {
			_, err := server.Read(make([]byte, 1))
			result <- err
		}()
		wait.Until(t, "Read doesn't sleep", server.Conn().Asleep)
		if err := client.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wait.Return(t, "Read", func() {
			if err := <-result; err != io.EOF {
				t.Errorf("Read: %v, want %v", err, io.EOF)
			}
		})
	})
	t.Run("with a full ring and a Write that waits", func(t *testing.T) {
		server, client := streamPair(t, nil)
		n := fill(t, client)
		type result struct {
			n   int
			err error
		}
		written := make(chan result, 1)
		go func() {
			m, err := client.Write([]byte("no room for this"))
			written <- result{m, err}
		}()
		wait.Until(t, "Write doesn't wait", func() bool { return client.Conn().Waiting() == 1 })
		wait.Return(t, "CloseWrite with a full ring", func() {
			if err := client.CloseWrite(); err != nil {
				t.Errorf("CloseWrite: %v", err)
			}
			r := <-written
			checkIs(t, "the Write that waited", r.err, syscall.EPIPE)
			if r.n != 0 {
				t.Errorf("the Write that waited has written %d bytes", r.n)
			}
		})
		checkRest(t, server, 0, n, io.EOF)
	})
	t.Run("after the peer has gone", func(t *testing.T) {
		server, client := streamPair(t, nil)
		_ = server.Close()
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read: %v, want %v", err, io.EOF)
		}
		if err := client.CloseWrite(); err != nil {
			t.Errorf("CloseWrite: %v", err)
		}
		_ = client.Close()
		checkIs(t, "CloseWrite after Close", client.CloseWrite(), net.ErrClosed)
	})
}

// TestStreamDeadline: deadlines end calls that wait, can be moved meanwhile, and lose nothing.
func TestStreamDeadline(t *testing.T) {
	t.Run("read", func(t *testing.T) {
		server, client := streamPair(t, nil)
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 10)
		if err := server.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err := server.Read(p)
		checkTimeout(t, "Read with a past deadline", err)
		if n, err := server.Read(nil); n != 0 || err != nil {
			t.Errorf("Read of nothing with a past deadline: %d, %v", n, err)
		}
		if err := server.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if n, err := server.Read(p); string(p[:n]) != "x" || err != nil {
			t.Errorf("Read without a deadline: %q, %v", p[:n], err)
		}
	})
	t.Run("of many sleeping readers", func(t *testing.T) {
		server, _ := streamPair(t, nil)
		if err := server.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		results := make(chan error, 3)
		for range cap(results) {
			go func() {
				_, err := server.Read(make([]byte, 1))
				results <- err
			}()
		}
		wait.Until(t, "Read doesn't sleep", server.Conn().Asleep)
		if err := server.SetDeadline(time.Now().Add(time.Millisecond)); err != nil { // sooner
			t.Fatal(err)
		}
		wait.Return(t, "Read after its deadline", func() {
			for range cap(results) {
				checkTimeout(t, "Read", <-results)
			}
		})
	})
	t.Run("put off", func(t *testing.T) {
		server, client := streamPair(t, nil)
		n := fill(t, client)
		if err := errors.Join(client.SetWriteDeadline(time.Now().Add(time.Hour)), client.SetReadDeadline(time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if m, err := client.Write([]byte{1}); m != 1 || err != nil {
				t.Errorf("Write: %d, %v", m, err)
			}
		})
		wg.Go(func() {
			if m, err := client.Read(make([]byte, 1)); m != 1 || err != nil {
				t.Errorf("Read: %d, %v", m, err)
			}
		})
		wait.Until(t, "Write and Read don't wait", func() bool { return client.Conn().Waiting() == 1 && client.Conn().Asleep() })
		for i := range 1000 { // now sooner, now later, and never reached
			d := time.Duration(1+i%3) * time.Hour
			if err := client.SetDeadline(time.Now().Add(d)); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, make([]byte, n+1)); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		wait.Return(t, "Write and Read", wg.Wait)
	})
	t.Run("write", func(t *testing.T) {
		server, client := streamPair(t, nil)
		n := fill(t, client) // a part of one Write, as many bytes as it says
		if err := client.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		m, err := client.Write([]byte("x"))
		checkTimeout(t, "Write with a past deadline", err)
		if m != 0 {
			t.Errorf("Write with a past deadline: %d bytes", m)
		}
		if err := client.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 1000)
		pattern(p, n)
		if _, err := client.Write(p); err != nil {
			t.Fatal(err)
		}
		_ = client.CloseWrite()
		checkRest(t, server, n, len(p), io.EOF)
	})
	t.Run("after Close", func(t *testing.T) {
		server, _ := streamPair(t, nil)
		_ = server.Close()
		var op *net.OpError
		err := server.SetDeadline(time.Now())
		checkIs(t, "SetDeadline after Close", err, net.ErrClosed)
		if !errors.As(err, &op) {
			t.Errorf("SetDeadline after Close: %T, want a net.OpError", err)
		}
	})
}

// TestStreamClose: Close ends every call that waits; the peer reads what was written, and then the end.
func TestStreamClose(t *testing.T) {
	server, client := streamPair(t, nil)
	n := fill(t, client)
	const each = 5
	results := make(chan error, 2*each)
	for range each {
		go func() {
			_, err := client.Read(make([]byte, 1))
			results <- err
		}()
		go func() {
			_, err := client.Write([]byte("x"))
			results <- err
		}()
	}
	wait.Until(t, "Write and Read don't wait", func() bool { return client.Conn().Waiting() == 1 && client.Conn().Asleep() })
	wait.Return(t, "Close", func() {
		for range 2 {
			if err := client.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		for range 2 * each {
			checkIs(t, "a call that waited", <-results, net.ErrClosed)
		}
	})
	_, err := client.Read(nil)
	checkIs(t, "Read after Close", err, net.ErrClosed)
	_, err = client.Write(nil)
	checkIs(t, "Write after Close", err, net.ErrClosed)
	checkRest(t, server, 0, n, io.EOF)
	_, err = server.Write([]byte("x"))
	checkIs(t, "Write to a peer that has closed", err, syscall.EPIPE)
	checkIs(t, "Write to a peer that has closed", err, shm.ErrPeerGone)
}

// TestStreamUnread: a peer that leaves with bytes unread has lost them, which the end of reading says, but for a
// peer that had ended its own direction before.
func TestStreamUnread(t *testing.T) {
	for _, ended := range []bool{false, true} {
		server, client := streamPair(t, nil)
		p := make([]byte, 1000)
		pattern(p, 0)
		if _, err := server.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, make([]byte, 999)); err != nil { // but one
			t.Fatal(err)
		}
		want := error(syscall.ECONNRESET)
		if ended {
			want = io.EOF
			if err := server.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		_ = server.Close()
		checkRest(t, client, 0, len(p), want)
	}
}

// TestStreamKill: the death of the peer ends every wait; what it had written is read.
func TestStreamKill(t *testing.T) {
	t.Run("while we read", func(t *testing.T) {
		s, cmd := spawnStream(t, "stream hold", nil)
		if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		result := make(chan error, 1)
		go func() {
			_, err := s.Read(make([]byte, 1))
			result <- err
		}()
		wait.Until(t, "Read doesn't sleep", s.Conn().Asleep)
		kill(cmd)
		wait.Return(t, "Read after the peer was killed", func() {
			if err := <-result; err != io.EOF {
				t.Errorf("Read: %v, want %v", err, io.EOF)
			}
		})
	})
	t.Run("while we write", func(t *testing.T) {
		s, cmd := spawnStream(t, "stream hold", nil)
		fill(t, s)
		result := make(chan error, 1)
		go func() {
			_, err := s.Write([]byte("x"))
			result <- err
		}()
		wait.Until(t, "Write doesn't wait", func() bool { return s.Conn().Waiting() == 1 })
		wait.Until(t, "the peer has written nothing", s.Conn().Pending)
		kill(cmd)
		wait.Return(t, "Write after the peer was killed", func() {
			checkIs(t, "Write", <-result, syscall.EPIPE)
		})
		checkFirst(t, s)
		_, err := s.Read(make([]byte, 1))
		checkIs(t, "Read after the peer was killed with our bytes unread", err, syscall.ECONNRESET)
	})
	t.Run("while it writes", func(t *testing.T) {
		s, cmd := spawnStream(t, "stream write", nil)
		got := 0
		buf := make([]byte, 64<<10)
		for got < 2<<20 {
			n, err := s.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if i := firstWrong(buf[:n], got); i >= 0 {
				t.Fatalf("byte %d is wrong", i)
			}
			got += n
		}
		kill(cmd)
		wait.Return(t, "reading after the peer was killed", func() {
			for {
				n, err := s.Read(buf)
				if err == io.EOF {
					return
				}
				if err != nil {
					t.Errorf("Read: %v", err)
					return
				}
				if i := firstWrong(buf[:n], got); i >= 0 {
					t.Errorf("byte %d is wrong", i)
					return
				}
				got += n
			}
		})
	})
}

// checkFirst reads the byte that a holding peer begins with.
func checkFirst(t testing.TB, s *shm.Stream) {
	t.Helper()
	p := make([]byte, 2)
	if n, err := s.Read(p); n != 1 || p[0] != 1 || err != nil {
		t.Errorf("Read: %v, %v, want the byte 1", p[:n], err)
	}
}

// TestStreamWriters: the bytes of one Write stay together, those included that are longer than the ring.
func TestStreamWriters(t *testing.T) {
	server, client := streamPair(t, &shm.Options{RingSize: shm.MinRingSize})
	const writers, writes, size = 4, 5, 100_000
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			p := bytes.Repeat([]byte{byte(i)}, size)
			for range writes {
				if n, err := client.Write(p); n != size || err != nil {
					t.Errorf("Write: %d, %v", n, err)
				}
			}
		})
	}
	p := make([]byte, size)
	for range writers * writes {
		if _, err := io.ReadFull(server, p); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(p, p[:1]); n != size {
			t.Fatalf("of %d bytes of one Write %d came together", size, n)
		}
	}
	wg.Wait()
}

// TestStreamHostile: frames that no stream has, an end of the stream on a connection for calls, and memory that is scribbled over.
func TestStreamHostile(t *testing.T) {
	for name, send := range map[string]func(c *shm.Conn) error{
		"another kind": func(c *shm.Conn) error {
			return write(c, 1, []byte("x"))
		},
		"an empty frame": func(c *shm.Conn) error {
			return c.Write(giveUp, &wire.Header{Kind: wire.KindCall}, nil, nil)
		},
		"metadata": func(c *shm.Conn) error {
			return c.Write(giveUp, &wire.Header{Kind: wire.KindCall, Length: 2, Total: 1, Metadata: 1}, []byte("x"), []byte("y"))
		},
		"an unknown message": func(c *shm.Conn) error { return c.Send([]byte("x")) },
	} {
		server, hostile := streamPair(t, nil)
		if err := send(hostile.Conn()); err != nil {
			t.Fatal(err)
		}
		var protocol *wire.ProtocolError
		for range 2 {
			if _, err := server.Read(make([]byte, 1)); !errors.As(err, &protocol) {
				t.Errorf("Read after %s: %v, want a protocol error", name, err)
			}
		}
		if _, err := server.Write([]byte("x")); !errors.As(err, &protocol) {
			t.Errorf("Write after %s: %v, want a protocol error", name, err)
		}
	}
	server, hostile := pair(t, nil)
	if err := hostile.Send([]byte("e")); err != nil {
		t.Fatal(err)
	}
	var protocol *wire.ProtocolError
	if _, err := server.Next(); !errors.As(err, &protocol) {
		t.Errorf("Next after the end of a stream on a connection for calls: %v, want a protocol error", err)
	}
	for seed := range uint64(20) {
		server, hostile := streamPair(t, &shm.Options{RingSize: shm.MinRingSize, MaxSpin: -1})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := io.Copy(io.Discard, server)
			checkHostileStream(t, "Read", err)
		})
		wg.Go(func() {
			p := make([]byte, 50_000)
			for {
				if _, err := server.Write(p); err != nil {
					checkHostileStream(t, "Write", err)
					return
				}
			}
		})
		wg.Go(func() { _, _ = io.Copy(io.Discard, hostile) })
		scribble(hostile.Conn(), seed)
		wait.Return(t, "ending a stream with a hostile peer", func() {
			_ = hostile.Close()
			wg.Wait()
		})
		_ = server.Close()
	}
}

// checkHostileStream fails the test unless err is what a stream with a hostile peer may end with.
func checkHostileStream(t *testing.T, what string, err error) {
	t.Helper()
	var protocol *wire.ProtocolError
	if err != nil && !errors.As(err, &protocol) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%s with a hostile peer: %v, want a protocol error or the peer's end", what, err)
	}
}

// TestStreamLeaks: streams leave nothing behind, however they end.
func TestStreamLeaks(t *testing.T) {
	before := mappings(t)
	ln, path := listenStream(t, nil)
	fds := descriptors(t)
	for i := range 20 {
		client := dialStream(t, path, nil)
		server := acceptStream(t, ln)
		if err := client.SetDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write([]byte("left in the ring")); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(io.Discard, server) })
		wg.Go(func() { _ = client.Close() })
		wg.Go(func() { _ = server.Close() })
		wait.Return(t, "closing", wg.Wait)
	}
	if n := mappings(t); n != before {
		t.Errorf("%d windows are mapped, before there were %d", n, before)
	}
	if n := descriptors(t); n != fds {
		t.Errorf("%d files are open, before there were %d", n, fds)
	}
}
