package link

import (
	"fmt"
	"sync/atomic"

	"hotline/internal/wire"
)

// message is one message on its way in, or arrived.
type message struct {
	head     wire.Header // of its first piece
	metadata []byte      // what has come of it
	body     []byte      // what has come of it; its capacity grows as pieces come
	lent     *buffer     // what body lies in, or nil where it has memory of its own
	fresh    bool        // of a reply: its caller wants memory of its own
	place    bool        // whoever gets it takes it in the block that it came in
	began    int64       // of a request in pieces: when the first came, on the link's clock
	ahead    int64       // bytes of room that it was given before they came, until it is settled
}

// release gives the memory back. Nobody may use body afterwards.
func (m *message) release(p *Buffers) {
	if m.lent != nil {
		m.lent.b = m.body
		p.put(m.lent)
	}
	m.lent, m.body = nil, nil
}

// inbound takes frames off a connection and puts messages together. It belongs to the goroutine that has the
// reading role, and keeps its place when a wait is interrupted in the middle of a frame, so that the next reader
// goes on from there.
type inbound struct {
	conn    Conn
	lender  Lender // conn, or nil
	buffers *Buffers
	trust   int           // bytes of a message for which room is made because the peer has announced them; for the others as they come
	growth  int           // how many times the room grows then: a peer has to send the rest of it to make us hold that
	ahead   *atomic.Int64 // bytes that messages under way were given ahead, here or on links that share Buffers; nil for unbounded
	most    int64         // of them
	part    int64         // a message is given up to this part of what is left; 0 for all or nothing

	head    wire.Header // of the present frame
	left    int         // payload bytes of the present frame that are still to be read
	into    *message    // where they go; nil to drop them, unless there is a flow
	flow    *inflow     // the stream that they belong to; nil for none
	scratch []byte      // where dropped bytes go
}

// What a peer may make us hold by announcements alone. A server holds as many requests as its limit of calls in flight, so for
// those of a stranger no room is made ahead: an honest client's first piece is a full frame, and larger than what could be
// made for each of so many. A client has asked for every reply that it holds, and makes less room for each the less is left.
const (
	replyTrust   = 1 << 20 // of one reply of a stranger
	repliesAhead = 8 << 20 // for all replies of one stranger
	mostAhead    = 8 << 20 // for all requests of trusted clients, which may be in error all the same, on links that share Buffers
	maxTrust     = 1<<31 - 1
)

// newInbound makes room for nothing ahead.
func newInbound(conn Conn, buffers *Buffers) inbound {
	lender, _ := conn.(Lender)
	return inbound{conn: conn, lender: lender, buffers: buffers, growth: 2}
}

// trustReplies lets a client make room ahead for replies: freely for a server that is trusted, sparingly for any other.
func (in *inbound) trustReplies() {
	if in.conn.Trusted() {
		in.trust, in.growth = maxTrust, 8
		return
	}
	in.trust, in.ahead, in.most, in.part = replyTrust, new(atomic.Int64), repliesAhead, repliesAhead/replyTrust
}

// trustRequests lets a server make room ahead for requests of a client that is trusted.
func (in *inbound) trustRequests() {
	if in.conn.Trusted() {
		in.trust, in.growth = maxTrust, 8
		in.ahead, in.most = &in.buffers.ahead, mostAhead
	}
}

// next waits for the next frame. The caller then says where its payload goes, with begin or proceed; without either
// it is dropped.
func (in *inbound) next() error {
	h, err := in.conn.Next()
	if err != nil {
		return err
	}
	if h.Flags&wire.FlagBlock != 0 && in.lender == nil {
		return wire.ProtocolErrorf("a %s with a block over %s", h.Kind, in.conn)
	}
	in.head, in.left, in.into = h, int(h.Length), nil
	return nil
}

// midFrame reports whether a reader was interrupted within a frame.
func (in *inbound) midFrame() bool { return in.left > 0 }

// begin lets the present frame, the first of its message, be read into m. fresh gives the body memory of its own.
func (in *inbound) begin(m *message, fresh bool) {
	m.head = in.head
	m.metadata = m.metadata[:0]
	if n := int(in.head.Metadata); cap(m.metadata) < n {
		m.metadata = make([]byte, 0, n)
	}
	m.began = 0
	body := int(in.head.Length - in.head.Metadata)
	room := body + in.aheadFor(m, int(in.head.Total)-body)
	switch {
	case m.place && in.head.Flags&wire.FlagBlock != 0:
		m.lent, m.body = nil, nil // until it is taken
	case fresh:
		m.lent, m.body = nil, newFresh(room)
	default:
		m.lent = in.buffers.get(room)
		m.body = m.lent.b
	}
	in.into = m
}

// aheadFor returns for how many of the bytes of m that are still to come room is made now.
func (in *inbound) aheadFor(m *message, rest int) int {
	n := int64(min(rest, in.trust))
	if in.ahead == nil || n <= 0 {
		return int(n)
	}
	if in.part > 0 {
		n = min(n, max(0, in.most-in.ahead.Load())/in.part)
	}
	if in.ahead.Add(n) > in.most {
		in.ahead.Add(-n)
		return 0
	}
	m.ahead = n
	return int(n)
}

// settle is told that m is complete, or given up: others may be given ahead what it was. Anybody may call it who has m.
func (in *inbound) settle(m *message) {
	if m.ahead > 0 {
		in.ahead.Add(-m.ahead)
		m.ahead = 0
	}
}

// proceed lets the present frame, a later one of its message, be read into m.
func (in *inbound) proceed(m *message) error {
	h, first := &in.head, &m.head
	have, more := uint64(len(m.body)), h.Flags&wire.FlagMore != 0
	got := have + uint64(h.Length)
	switch {
	case h.Kind != first.Kind || h.Method != first.Method || h.Total != first.Total:
		return wire.ProtocolErrorf("a piece of a %s of %d bytes in a %s of %d bytes", h.Kind, h.Total, first.Kind, first.Total)
	case got > uint64(h.Total):
		return wire.ProtocolErrorf("%d bytes have come of a %s of %d", got, h.Kind, h.Total)
	case !more && got < uint64(h.Total):
		return wire.ProtocolErrorf("a %s of %d bytes ends after %d", h.Kind, h.Total, got)
	}
	in.grow(m, int(got))
	in.into = m
	return nil
}

// grow makes room in m for n bytes in all.
func (in *inbound) grow(m *message, n int) {
	if n <= cap(m.body) {
		return
	}
	room := min(int(m.head.Total), max(n, in.growth*cap(m.body)))
	old := *m
	if old.lent != nil {
		m.lent = in.buffers.get(room)
		m.body = append(m.lent.b, old.body...)
		old.release(in.buffers)
		return
	}
	m.body = append(newFresh(room), old.body...)
}

// fill reads what is left of the present frame. After ErrInterrupted it may be called again.
func (in *inbound) fill() error {
	for in.left > 0 {
		if in.head.Flags&wire.FlagBlock != 0 && in.atBlock() {
			return in.take()
		}
		n, err := in.conn.Read(in.room())
		in.took(n)
		if err != nil && in.left > 0 {
			return err // with nothing left the frame is whole, and what the connection has to say comes again
		}
	}
	return nil
}

// atBlock reports whether only the block of the present frame is left, and is to be taken as it is, or dropped.
func (in *inbound) atBlock() bool {
	return in.left == int(in.head.Total) && (in.into == nil || in.into.place)
}

// take takes the block of the present frame, or drops it.
func (in *inbound) take() error {
	b := in.lender.Take()
	if b == nil {
		return fmt.Errorf("%s: %w", in.conn, ErrClosed)
	}
	in.left = 0
	if in.into == nil {
		b.Free()
		return nil
	}
	in.into.lent = &buffer{b: b.Bytes(), block: b}
	in.into.body = in.into.lent.b
	return nil
}

// room is where the next bytes of the frame go.
func (in *inbound) room() []byte {
	m := in.into
	if m == nil {
		if in.flow != nil {
			return in.flow.room()
		}
		if in.scratch == nil {
			in.scratch = make([]byte, 4<<10)
		}
		return in.scratch[:min(in.left, len(in.scratch))]
	}
	if have, want := len(m.metadata), int(m.head.Metadata); have < want {
		return m.metadata[have:want]
	}
	have := len(m.body)
	return m.body[have : have+in.left]
}

// took accounts for n bytes read into room.
func (in *inbound) took(n int) {
	in.left -= n
	m := in.into
	switch {
	case m == nil && in.flow != nil:
		in.flow.took(n)
	case m == nil:
	case len(m.metadata) < int(m.head.Metadata):
		m.metadata = m.metadata[:len(m.metadata)+n]
	default:
		m.body = m.body[:len(m.body)+n]
	}
}

// complete reports whether the present frame, now read, ends its message.
func (in *inbound) complete() bool { return in.head.Flags&wire.FlagMore == 0 }
