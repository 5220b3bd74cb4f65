package shm

import (
	"fmt"
	"io/fs"
	"math/bits"
	"time"

	"hotline/internal/spin"
)

// The bounds of a ring, in bytes.
const (
	MinRingSize     = 64 << 10
	DefaultRingSize = 1 << 20
	MaxRingSize     = 64 << 20
)

// Of an arena, in bytes.
const (
	DefaultArenaSize = 16 << 20
	MaxArenaSize     = 1 << 30

	unit = 16 << 10 // what blocks are measured in
)

// DefaultHandshakeTimeout is how long the two ends of a new connection have to come to terms.
const DefaultHandshakeTimeout = 5 * time.Second

// Options of [Listen] and [Dial], [ListenStream] and [DialStream]. Nil and the zero value mean the defaults. They are
// read once and not kept.
type Options struct {
	// RingSize is how large each direction's ring may become, in bytes: a power of two from MinRingSize to MaxRingSize. A
	// listener grants at most its own; a client asks for its own, or with 0 for what the listener has, where it is
	// DefaultRingSize. A ring takes memory as its traffic needs it: the first 64 KiB when they are used, more when the
	// reader is behind; what is behind twice that is given back when it was not needed for a second or two.
	RingSize int

	// ArenaSize is how much memory each direction has for blocks, in bytes: for messages that aren't copied on their
	// way, see [Conn.Lend]. It is address space until it is used, and the memory is given back when it has not been
	// used for a second or two. Zero is DefaultArenaSize, less than zero is none; others are rounded up to 16 KiB. The
	// listener decides; a client only says whether it takes blocks at all. Peers that don't trust each other, see
	// [Conn.Trusted], have none.
	ArenaSize int

	// Mode is the permission of the listener's socket file; zero is 0600. Widening it lets other users connect.
	Mode fs.FileMode

	// AllowUID reports whether a process of this user may be the peer. Nil, for a listener: its own user and root, and
	// everybody that the socket's permissions admit when Mode is wider than 0600. Nil, for Dial: everybody, as the
	// path was the caller's choice; see [Conn.Trusted].
	AllowUID func(uid uint32) bool

	// HandshakeTimeout bounds the rendezvous; zero is DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration

	// MaxSpin is the longest that a wait may poll before it sleeps, or twice that where the peer had to be
	// woken first; zero is spin.DefaultMax, less than zero is never.
	MaxSpin time.Duration

	// Spin is shared by connections that are to share one allowance of spinning, normally all of a process. Nil gives
	// one to each listener and to each dialled connection.
	Spin *spin.Group
}

// settings are checked options with the defaults filled in.
type settings struct {
	ringSize  int // 0: the listener's choice (Dial only)
	arenaSize uint64
	mode      fs.FileMode
	allowUID  func(uid uint32) bool // nil: everybody
	handshake time.Duration
	maxSpin   time.Duration
	spin      *spin.Group
	stream    bool // byte streams, and no calls: set by ListenStream and DialStream
}

// settings checks o. The error names the field.
func (o *Options) settings() (settings, error) {
	var zero Options
	if o == nil {
		o = &zero
	}
	s := settings{
		ringSize: o.RingSize, mode: o.Mode, allowUID: o.AllowUID,
		handshake: o.HandshakeTimeout, maxSpin: o.MaxSpin, spin: o.Spin,
	}
	if s.ringSize != 0 && !goodRingSize(uint64(s.ringSize)) {
		return settings{}, fmt.Errorf("Options.RingSize is %d: a power of two from %d to %d is needed",
			s.ringSize, MinRingSize, MaxRingSize)
	}
	switch {
	case o.ArenaSize > MaxArenaSize:
		return settings{}, fmt.Errorf("Options.ArenaSize is %d: at most %d are allowed", o.ArenaSize, MaxArenaSize)
	case o.ArenaSize == 0:
		s.arenaSize = DefaultArenaSize
	case o.ArenaSize > 0:
		s.arenaSize = uint64(o.ArenaSize+unit-1) / unit * unit
	}
	if s.mode&^fs.ModePerm != 0 {
		return settings{}, fmt.Errorf("Options.Mode is %v: only permission bits are allowed", s.mode)
	}
	if s.mode == 0 {
		s.mode = 0o600
	}
	if s.handshake < 0 {
		return settings{}, fmt.Errorf("Options.HandshakeTimeout is %v: it can't be negative", s.handshake)
	}
	if s.handshake == 0 {
		s.handshake = DefaultHandshakeTimeout
	}
	if s.maxSpin == 0 {
		s.maxSpin = spin.DefaultMax
	}
	if s.spin == nil {
		s.spin = spin.NewGroup(spin.CPUs())
	}
	return s, nil
}

// goodRingSize reports whether a ring of n bytes is allowed between two peers.
func goodRingSize(n uint64) bool {
	return n >= MinRingSize && n <= MaxRingSize && bits.OnesCount64(n) == 1
}
