package nettcp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hotline/internal/link"
	"hotline/internal/wire"
	"hotline/nettcp"
)

const partVariable = "HOTLINE_NETTCP_PART"

// parts are what a second process can do. Each gets its arguments from the variable's words, and ends when its
// standard input does.
var parts = map[string]func(args []string) error{
	"echo":  playEcho,
	"plain": playPlain,
}

func play(part string) int {
	words := strings.Fields(part)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // the test has ended, or its process died
	}()
	if err := parts[words[0]](words[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process is a second process.
type process struct {
	*exec.Cmd
	lines *bufio.Reader // what it prints
}

// start runs this test binary again in a part of its own.
func start(t testing.TB, words ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), partVariable+"="+strings.Join(words, " "))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	check(t, err)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &process{cmd, bufio.NewReader(stdout)}
}

// line returns the next line that the process prints.
func (p *process) line(t testing.TB) string {
	t.Helper()
	s, err := p.lines.ReadString('\n')
	check(t, err)
	return strings.TrimSpace(s)
}

// address returns what to listen on with a network, in a directory of the test's own.
func address(t testing.TB, network string) string {
	if network == "unix" {
		return filepath.Join(shortDir(t), "s")
	}
	return "127.0.0.1:0"
}

// dialURL connects to an address in URL form.
func dialURL(t testing.TB, url string, o *nettcp.Options) *nettcp.Conn {
	t.Helper()
	network, address, _ := strings.Cut(url, "://")
	c, err := nettcp.Dial(context.Background(), network, address, o)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// playEcho answers each message, once all its pieces have come.
func playEcho(args []string) error {
	l, err := nettcp.Listen(args[0], args[1], nil)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := echoMessages(c); !errors.Is(err, io.EOF) {
				fmt.Fprintln(os.Stderr, "echo:", err)
			}
		}()
	}
}

func echoMessages(c *nettcp.Conn) error {
	var buf []byte
	for {
		h, err := c.Next()
		if err != nil {
			return err
		}
		if have := len(buf); cap(buf) < int(h.Total) {
			buf = make([]byte, have, h.Total)
		}
		p := buf[len(buf) : len(buf)+int(h.Length)]
		if err := readFull(c, p); err != nil {
			return err
		}
		buf = buf[:len(buf)+len(p)]
		if h.Flags&wire.FlagMore != 0 {
			continue
		}
		if err := sendPieces(c, h.ID, buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
}

// sendPieces sends a message in as many frames as it needs.
func sendPieces(c *nettcp.Conn, id uint64, p []byte) error {
	h := wire.Header{Kind: wire.KindCall, ID: id, Total: uint32(len(p))}
	for {
		n := min(len(p), c.MaxFrame())
		h.Length = uint32(n)
		h.Flags &^= wire.FlagMore
		if n < len(p) {
			h.Flags |= wire.FlagMore
		}
		if err := c.Write(link.Stop{}, &h, nil, p[:n]); err != nil {
			return err
		}
		h.Flags |= wire.FlagPiece
		if p = p[n:]; len(p) == 0 {
			return nil
		}
	}
}

// receivePieces reads a message of len(p) bytes.
func receivePieces(c *nettcp.Conn, p []byte) error {
	for {
		h, err := c.Next()
		if err != nil {
			return err
		}
		if err := readFull(c, p[:h.Length]); err != nil {
			return err
		}
		if p = p[h.Length:]; len(p) == 0 {
			return nil
		}
	}
}

// playPlain is the echo that one writes by hand: a length, the bytes, one write for both.
func playPlain(args []string) error {
	l, err := net.Listen(args[0], args[1])
	if err != nil {
		return err
	}
	fmt.Println(l.Addr().Network() + "://" + l.Addr().String())
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			p := newPlain(c)
			for {
				b, err := p.receive()
				if err != nil || p.send(b) != nil {
					return
				}
			}
		}()
	}
}

// plain is a hand-written connection: what nettcp is measured against.
type plain struct {
	sock net.Conn
	r    *bufio.Reader
	in   []byte
	out  []byte
}

func newPlain(sock net.Conn) *plain {
	return &plain{sock: sock, r: bufio.NewReader(sock), in: make([]byte, 1<<20), out: make([]byte, 1<<20+4)}
}

func (p *plain) send(b []byte) error {
	binary.LittleEndian.PutUint32(p.out, uint32(len(b)))
	_, err := p.sock.Write(p.out[:4+copy(p.out[4:], b)])
	return err
}

func (p *plain) receive() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return nil, err
	}
	b := p.in[:binary.LittleEndian.Uint32(head[:])]
	_, err := io.ReadFull(p.r, b)
	return b, err
}

func TestTwoProcesses(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			c := dialURL(t, start(t, "echo", network, address(t, network)).line(t), nil)
			for i, n := range []int{0, 1, 100, 4096, 8160, 100_000, 128 << 10, 1 << 20, 10 << 20} {
				p := make([]byte, n)
				rand.NewChaCha8([32]byte{byte(i)}).Read(p)
				sent := make(chan error, 1)
				go func() { sent <- sendPieces(c, uint64(i), p) }()
				back := make([]byte, n)
				check(t, receivePieces(c, back))
				check(t, <-sent)
				if !bytes.Equal(p, back) {
					t.Errorf("an echo of %d bytes is not what was sent", n)
				}
			}
		})
	}
}

// TestPeerIsKilled in each phase: both sides of the survivor find out.
func TestPeerIsKilled(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		for _, phase := range []string{"idle", "reading", "writing", "busy"} {
			t.Run(network+"/"+phase, func(t *testing.T) {
				p := start(t, "echo", network, address(t, network))
				c := dialURL(t, p.line(t), nil)
				check(t, send(c, 1, pattern(1, 10)))
				expect(t, c, 1, pattern(1, 10))
				ended := make(chan error, 2)
				read := func() {
					for {
						if _, _, err := receive(c); err != nil {
							ended <- err
							return
						}
					}
				}
				write := func() {
					for {
						if err := send(c, 1, pattern(1, 50_000)); err != nil {
							ended <- err
							return
						}
					}
				}
				parts := map[string][]func(){"reading": {read}, "writing": {write}, "busy": {read, write}}[phase]
				for _, part := range parts {
					go part()
				}
				check(t, p.Process.Kill())
				p.Wait()
				for range parts {
					if err := <-ended; !peerEnded(err) {
						t.Errorf("after the kill: %v", err)
					}
				}
				for len(parts) == 0 || phase == "writing" {
					if _, _, err := receive(c); err != nil {
						if !peerEnded(err) {
							t.Errorf("Next after the kill: %v", err)
						}
						break
					}
				}
				var err error
				for err == nil {
					err = send(c, 1, nil)
				}
				if !peerEnded(err) {
					t.Errorf("Write after the kill: %v", err)
				}
			})
		}
	}
}
