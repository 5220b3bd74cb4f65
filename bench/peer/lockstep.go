package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
)

// lockStepBy is an echo by hand with one call at a time on a connection: every caller has a connection of its own.
func lockStepBy(way string) Peer {
	return Peer{
		Name: "lock-step " + way, Way: way, Kind: Hand, Note: "by hand, a connection for each caller",
		Serve: serveHand(way, echoLockStep),
		Dial: func(ctx context.Context, dir string, _ Load) (Client, error) {
			return &lockStep{ctx: ctx, dialer: handDialer{dir: dir, way: way}}, nil
		},
	}
}

func echoLockStep(rw io.ReadWriter) {
	r := bufio.NewReaderSize(rw, bufferSize)
	var m lockStepMessage
	for m.read(r) == nil && m.write(rw) == nil {
	}
}

// lockStepMessage is a length and that many bytes, in memory that is used again.
type lockStepMessage struct{ buf []byte }

func (m *lockStepMessage) grow(n int) {
	if cap(m.buf) < 4+n {
		m.buf = make([]byte, 4+n)
	}
	m.buf = m.buf[:4+n]
}

func (m *lockStepMessage) read(r io.Reader) error {
	m.grow(0)
	if _, err := io.ReadFull(r, m.buf); err != nil {
		return err
	}
	n := binary.LittleEndian.Uint32(m.buf)
	m.grow(int(n))
	binary.LittleEndian.PutUint32(m.buf, n)
	_, err := io.ReadFull(r, m.buf[4:])
	return err
}

func (m *lockStepMessage) write(w io.Writer) error {
	_, err := w.Write(m.buf)
	return err
}

type lockStep struct {
	ctx    context.Context
	dialer handDialer
	conns  []io.Closer
}

func (l *lockStep) Caller() (Call, error) {
	conn, err := l.dialer.dial(l.ctx)
	if err != nil {
		return nil, err
	}
	l.conns = append(l.conns, conn)
	r := bufio.NewReaderSize(conn, bufferSize)
	var m lockStepMessage
	return func(data []byte) ([]byte, error) {
		m.grow(len(data))
		binary.LittleEndian.PutUint32(m.buf, uint32(len(data)))
		copy(m.buf[4:], data)
		if err := m.write(conn); err != nil {
			return nil, err
		}
		if err := m.read(r); err != nil {
			return nil, err
		}
		return m.buf[4:], nil
	}, nil
}

func (l *lockStep) Close() error {
	for _, c := range l.conns {
		c.Close()
	}
	return nil
}
