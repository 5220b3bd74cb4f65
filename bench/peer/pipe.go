package peer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// pipes is a connection made of two named pipes, one for each direction.
type pipes struct {
	in, out *os.File
}

func (p *pipes) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p *pipes) Write(b []byte) (int, error) { return p.out.Write(b) }

func (p *pipes) Close() error {
	p.in.Close()
	return p.out.Close()
}

// openPipes opens both. Each side opens each pipe for reading and writing, so that neither waits for the other.
func openPipes(in, out string) (*pipes, error) {
	r, err := os.OpenFile(in, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	w, err := os.OpenFile(out, os.O_RDWR, 0)
	if err != nil {
		r.Close()
		return nil, err
	}
	return &pipes{r, w}, nil
}

// pipeCount numbers the pipes of this process.
type pipeCount struct{ n atomic.Uint32 }

// dial makes two pipes and tells the server, over its socket, which.
func (c *pipeCount) dial(ctx context.Context, dir string) (io.ReadWriteCloser, error) {
	base := filepath.Join(dir, fmt.Sprintf("pipe-%d-%d", os.Getpid(), c.n.Add(1)))
	for _, name := range []string{base + ".up", base + ".down"} {
		if err := unix.Mkfifo(name, 0o600); err != nil {
			return nil, &os.PathError{Op: "mkfifo", Path: name, Err: err}
		}
	}
	p, err := openPipes(base+".down", base+".up")
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, dir, "unix")
	if err != nil {
		p.Close()
		return nil, err
	}
	defer conn.Close()
	if _, err = fmt.Fprintln(conn, base); err == nil {
		_, err = io.ReadFull(conn, make([]byte, 1)) // the server has opened them too
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// acceptPipes opens the pipes that a client told of on conn.
func acceptPipes(conn net.Conn) (io.ReadWriteCloser, error) {
	defer conn.Close()
	base, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return nil, err
	}
	base = strings.TrimSpace(base)
	p, err := openPipes(base+".up", base+".down")
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte{1}); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}
