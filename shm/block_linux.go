package shm

import (
	"runtime"

	"hotline/internal/link"
	"hotline/internal/wire"
)

var _ link.Lender = (*Conn)(nil)

// minBlock is the least that a block is used for, in bytes. What is shorter is copied as quickly.
const minBlock = 8 << 10

// block is a handle on a block that this process holds.
type block struct {
	conn  *Conn
	arena *arena
	at    int // unit
	mem   []byte
	ours  bool // it lies in the arena that we write: we have given it out
	sent  bool // of the peer's: it was sent back
}

// arriving is the block of the frame that Next has returned.
type arriving struct {
	arena *arena // nil: the frame has none
	at    int    // unit
	n     int    // bytes of the message
	read  int    // of these, bytes that Read has copied
}

// Lend gives out a block with room for n bytes, or nil where there is none: the connection has no arena, the arena is
// full, or n is too little to be worth one.
func (c *Conn) Lend(n int) link.Block {
	a := c.arenas[1]
	if a == nil || n < minBlock || c.state.Load() != 0 {
		return nil
	}
	at, ok := a.lend(n)
	if !ok {
		return nil
	}
	return &block{conn: c, arena: a, at: at, mem: a.bytes(at, n), ours: true}
}

// bytes returns n bytes from a unit on.
func (a *arena) bytes(at, n int) []byte {
	start := at * unit
	return a.mem[start : start+n : start+n]
}

// Take makes the block of the present frame the caller's, all of which is unread. It returns nil when the connection
// has ended.
func (c *Conn) Take() link.Block {
	p := c.arriving
	c.arriving = arriving{}
	if !p.arena.hold() {
		return nil
	}
	return &block{conn: c, arena: p.arena, at: p.at, mem: p.arena.bytes(p.at, p.n), ours: p.arena == c.arenas[1]}
}

// beginBlock reads where the message of the present frame lies, and gives the header the length that it has to whoever
// reads it.
func (c *Conn) beginBlock(h *wire.Header) error {
	var b [wire.BlockRefSize]byte
	c.in.cut(b[:])
	ref, err := wire.ParseBlockRef(b[:])
	if err != nil {
		return err
	}
	p, n := arriving{arena: c.arenas[0]}, uint64(h.Total)
	if p.arena == nil {
		return wire.ProtocolErrorf("a block on a connection without an arena")
	}
	if ref.Arena == wire.ArenaSender {
		p.at, err = p.arena.check(ref.Offset, n)
	} else {
		p.arena = c.arenas[1]
		p.at, err = p.arena.comeBack(ref.Offset, n)
	}
	if err != nil {
		return err
	}
	p.n = int(n)
	c.arriving = p
	h.Length = h.Metadata + h.Total
	return nil
}

// readBlock copies what is left of the arriving block to p, as far as p goes, and gives the block back behind its
// last byte.
func (c *Conn) readBlock(p []byte) (int, error) {
	v := &c.arriving
	n := copy(p, v.arena.bytes(v.at, v.n)[v.read:])
	v.read += n
	if v.read == v.n {
		if v.arena == c.arenas[1] {
			v.arena.drop(v.at)
		} else {
			v.arena.giveBack(v.at)
		}
		*v = arriving{}
	}
	runtime.KeepAlive(c)
	if c.state.Load()&stateEnded != 0 { // the memory may have been let go of while we read it
		return 0, c.failure()
	}
	return n, nil
}

// Conn returns the connection whose block this is.
func (b *block) Conn() link.Conn { return b.conn }

// Ours reports whether this end has given the block out.
func (b *block) Ours() bool { return b.ours }

// Bytes returns the block's memory.
func (b *block) Bytes() []byte { return b.mem }

// Send writes a frame whose message is the first n bytes of the block.
func (b *block) Send(stop link.Stop, h *wire.Header, metadata []byte, n int) error {
	ref := wire.BlockRef{Offset: uint64(b.at) * unit, Arena: wire.ArenaReceiver}
	if b.ours {
		ref.Arena = wire.ArenaSender
		b.arena.send(b.at)
	}
	var payload [wire.BlockRefSize]byte
	ref.Put(payload[:])
	h.Metadata, h.Total = uint32(len(metadata)), uint32(n)
	h.Length = h.Metadata + wire.BlockRefSize
	h.Flags |= wire.FlagBlock
	err := b.conn.Write(stop, h, metadata, payload[:])
	switch {
	case err == nil:
		b.sent = true
	case b.ours:
		b.arena.unsend(b.at)
	}
	h.Flags &^= wire.FlagBlock
	return err
}

// Free gives the handle up.
func (b *block) Free() {
	switch {
	case b.ours:
		b.arena.drop(b.at)
	case !b.sent:
		b.arena.giveBack(b.at)
	}
	b.mem = nil
	b.arena.release()
}
