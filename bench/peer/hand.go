package peer

import (
	"context"
	"io"
	"net"
)

// What is written by hand speaks one format: the length of the bytes as a little-endian uint32, in the multiplexed form
// the number of the caller too, then the bytes.

// bufferSize is that of the buffered readers and writers; longer messages pass them by.
const bufferSize = 64 << 10

// serveHand accepts connections by a way and gives each to echo, in a goroutine of its own.
func serveHand(way string, echo func(io.ReadWriter)) func(context.Context, string, func()) error {
	return func(ctx context.Context, dir string, ready func()) error {
		ln, err := listen(dir, way)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { ln.Close() })()
		ready()
		for {
			conn, err := ln.Accept()
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			go serveConn(conn, way, echo)
		}
	}
}

// serveConn echoes on one connection until its client is gone.
func serveConn(conn net.Conn, way string, echo func(io.ReadWriter)) {
	rw := io.ReadWriteCloser(conn)
	if way == "pipe" {
		var err error
		if rw, err = acceptPipes(conn); err != nil {
			return
		}
	}
	defer rw.Close()
	echo(rw)
}

// handDialer makes connections by one way.
type handDialer struct {
	dir, way string
	pipes    pipeCount
}

func (d *handDialer) dial(ctx context.Context) (io.ReadWriteCloser, error) {
	if d.way == "pipe" {
		return d.pipes.dial(ctx, d.dir)
	}
	return dial(ctx, d.dir, d.way)
}
