package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
)

// muxBy is an echo by hand with many calls at once on one connection. Writers that wait for each other share a flush.
func muxBy(way string) Peer {
	return Peer{
		Name: "multiplexed " + way, Way: way, Kind: Hand, Note: "by hand, one connection",
		Serve: serveHand(way, echoMux),
		Dial: func(ctx context.Context, dir string, _ Load) (Client, error) {
			d := &handDialer{dir: dir, way: way}
			conn, err := d.dial(ctx)
			if err != nil {
				return nil, err
			}
			return newMux(conn), nil
		},
	}
}

// muxHeader is the size of a header: the length of the bytes, and the caller's number.
const muxHeader = 8

// echoMux answers in the order of the requests, and flushes when no further request is at hand.
func echoMux(rw io.ReadWriter) {
	r, w := bufio.NewReaderSize(rw, bufferSize), bufio.NewWriterSize(rw, bufferSize)
	buf := make([]byte, muxHeader)
	for {
		if _, err := io.ReadFull(r, buf[:muxHeader]); err != nil {
			return
		}
		n := muxHeader + int(binary.LittleEndian.Uint32(buf))
		if n > len(buf) {
			buf = append(make([]byte, 0, n), buf[:muxHeader]...)[:n]
		}
		if _, err := io.ReadFull(r, buf[muxHeader:n]); err != nil {
			return
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return
		}
		if r.Buffered() < muxHeader && w.Flush() != nil {
			return
		}
	}
}

// mux is a connection that callers share.
type mux struct {
	conn    io.ReadWriteCloser
	callers []*muxCaller // by number; complete before the first call
	reading sync.Once

	writers atomic.Int32 // those that hold mu or wait for it
	mu      sync.Mutex
	w       *bufio.Writer // guarded by mu
}

func newMux(conn io.ReadWriteCloser) *mux {
	return &mux{conn: conn, w: bufio.NewWriterSize(conn, bufferSize)}
}

// muxCaller is where a caller waits for its echo.
type muxCaller struct {
	echo []byte // belongs to the reader until done has a value
	done chan error
}

func (m *mux) Caller() (Call, error) {
	c := &muxCaller{done: make(chan error, 1)}
	number := uint32(len(m.callers))
	m.callers = append(m.callers, c)
	return func(data []byte) ([]byte, error) {
		m.reading.Do(func() { go m.read() })
		if err := m.write(number, data); err != nil {
			return nil, err
		}
		err := <-c.done
		return c.echo, err
	}, nil
}

func (m *mux) write(number uint32, data []byte) error {
	var header [muxHeader]byte
	binary.LittleEndian.PutUint32(header[:], uint32(len(data)))
	binary.LittleEndian.PutUint32(header[4:], number)
	m.writers.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.w.Write(header[:])
	if err == nil {
		_, err = m.w.Write(data)
	}
	if m.writers.Add(-1) == 0 && err == nil {
		err = m.w.Flush()
	}
	return err
}

// read gives every echo to its caller until the connection ends; then all callers get the error.
func (m *mux) read() {
	r := bufio.NewReaderSize(m.conn, bufferSize)
	var header [muxHeader]byte
	for {
		_, err := io.ReadFull(r, header[:])
		if err != nil {
			m.fail(err)
			return
		}
		n := int(binary.LittleEndian.Uint32(header[:]))
		c := m.callers[binary.LittleEndian.Uint32(header[4:])]
		if cap(c.echo) < n {
			c.echo = make([]byte, n)
		}
		c.echo = c.echo[:n]
		if _, err := io.ReadFull(r, c.echo); err != nil {
			m.fail(err)
			return
		}
		c.done <- nil
	}
}

func (m *mux) fail(err error) {
	for _, c := range m.callers {
		select {
		case c.done <- err:
		default:
		}
	}
}

func (m *mux) Close() error { return m.conn.Close() }
