package transporttest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"hotline/internal/link"
)

// The roles of a second process, which is the test binary started again.
const (
	roleListenServe = "listen and serve"
	roleDialServe   = "dial and serve"
	roleDialCall    = "dial and call"
	roleDialWait    = "dial and wait in a call"
	roleDialFlood   = "dial and call until the end"
)

// How a second process learns what to do.
const (
	envRole      = "HOTLINE_TRANSPORTTEST_ROLE"
	envTransport = "HOTLINE_TRANSPORTTEST_TRANSPORT"
	envAddress   = "HOTLINE_TRANSPORTTEST_ADDRESS"
)

// Main plays a role where this process was started by the suite to do so, and then does not return. TestMain calls it
// first.
func Main(transports ...Transport) {
	role := os.Getenv(envRole)
	if role == "" {
		return
	}
	for _, transport := range transports {
		if transport.Name == os.Getenv(envTransport) {
			if err := play(transport, role, os.Getenv(envAddress)); err != nil {
				fmt.Fprintf(os.Stderr, "%s over %s: %v\n", role, transport.Name, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	fmt.Fprintf(os.Stderr, "no transport %q\n", os.Getenv(envTransport))
	os.Exit(1)
}

func play(transport Transport, role, address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if role == roleListenServe {
		dir, err := os.MkdirTemp("", "hl")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		ln, err := transport.Listen(dir)
		if err != nil {
			return err
		}
		defer ln.Close()
		fmt.Println(ln.Addr())
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		ln.Close() // before a kill could leave the socket
		os.RemoveAll(dir)
		return playServer(conn)
	}
	conn, err := transport.Dial(ctx, address)
	if err != nil {
		return err
	}
	switch role {
	case roleDialServe:
		return playServer(conn)
	case roleDialCall:
		return playClient(ctx, conn, playCalls)
	case roleDialWait:
		return playClient(ctx, conn, func(ctx context.Context, p *pairing) error {
			_, err := p.call(ctx, methodWait, nil)
			return err
		})
	case roleDialFlood:
		return playClient(ctx, conn, func(ctx context.Context, p *pairing) (err error) {
			for data := pattern(4<<20, 1); err == nil; {
				_, err = p.call(ctx, methodCount, data)
			}
			return err
		})
	}
	return fmt.Errorf("no role %q", role)
}

// playServer answers calls until the link ends.
func playServer(conn link.Conn) error {
	if err := receive(conn); err != nil {
		return err
	}
	s, err := link.NewServer(conn, newService(), nil, nil)
	if err != nil {
		return err
	}
	s.Wait()
	return nil
}

func playClient(ctx context.Context, conn link.Conn, calls func(context.Context, *pairing) error) error {
	if _, err := link.Greet(ctx, conn, hello()); err != nil {
		return err
	}
	client, err := link.NewClient(conn, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	return calls(ctx, &pairing{client: client, maxFrame: conn.MaxFrame()})
}

// playCalls is a client's session: sizes, a cancel and a deadline.
func playCalls(ctx context.Context, p *pairing) error {
	for _, n := range []int{0, 1, p.maxFrame - 1, p.maxFrame, p.maxFrame + 1, 64 << 10, 1 << 20, longSize} {
		data := pattern(n, uint64(n))
		if got, err := p.call(ctx, methodEcho, data); err != nil || !bytes.Equal(got, data) {
			return fmt.Errorf("echo of %d bytes: got %d, %w", n, len(got), err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := p.call(short, methodWait, nil); err == nil {
		return errors.New("a call past its deadline ended without an error")
	}
	return nil
}

// startPeer starts a second process in a role. One that listens says where.
func startPeer(t testing.TB, transport Transport, role, address string) (p *pairing, at string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envRole+"="+role, envTransport+"="+transport.Name, envAddress+"="+address)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p = &pairing{peer: cmd, gone: make(chan error, 1)}
	if role == roleListenServe {
		at, err = bufio.NewReader(out).ReadString('\n')
		at = strings.TrimSpace(at)
	}
	go func() { p.gone <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-p.gone
	})
	if err != nil {
		t.Fatalf("the second process did not say where it listens: %v", err)
	}
	return p, at
}

// testRemoteClient serves a client in another process.
func testRemoteClient(t *testing.T, transport Transport) {
	ln := listen(t, transport)
	p, _ := startPeer(t, transport, roleDialCall, ln.Addr())
	acceptServer(t, ln)
	err := <-p.gone
	p.gone <- err
	if err != nil {
		t.Errorf("the client in the other process: %v", err)
	}
}

// testClientKilled kills a client in the middle of its call, and wants the server to notice and the handler to be told.
func testClientKilled(t *testing.T, transport Transport) {
	ln := listen(t, transport)
	p, _ := startPeer(t, transport, roleDialWait, ln.Addr())
	server, handler := acceptServer(t, ln)
	for end := time.Now().Add(Patience); handler.begun.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the call has not come")
		}
	}
	if err := p.peer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.Ended():
	case <-time.After(Patience):
		t.Fatal("the server has not noticed that its client was killed")
	}
	server.Wait()
	if n := handler.cancelled.Load(); n != 1 {
		t.Errorf("%d handlers saw their context end, want 1", n)
	}
}

func acceptServer(t *testing.T, ln Listener) (*link.Server, *service) {
	t.Helper()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := receive(conn); err != nil {
		t.Fatal(err)
	}
	return serve(t, conn)
}
