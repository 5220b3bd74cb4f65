package shm

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Asleep reports whether Next sleeps, or is about to.
func (c *Conn) Asleep() bool { return c.asleep.Load() }

// Waiting returns how many writers wait for room.
func (c *Conn) Waiting() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return len(c.out.queue)
}

// Words are what a peer can do to the words that we read: of the direction in which we read, and of the one in which
// we write.
func (c *Conn) Words() (in, out *header) { return c.in.win.header, c.out.win.header }

// Memory returns the bytes of both rings, in and out.
func (c *Conn) Memory() (in, out []byte) { return c.in.win.data, c.out.win.data }

// Shrink does what the timer does.
func (c *Conn) Shrink() { c.shrink() }

// Shrinking reports whether the timer is set.
func (c *Conn) Shrinking() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.shrinker.set
}

// OutMapping returns all memory that we write, blocks included.
func (c *Conn) OutMapping() []byte { return c.maps[1].mem }

// OutWindow returns the window in which we write.
func (c *Conn) OutWindow() []byte { return c.maps[1].mem[:headerSize+c.out.win.size] }

// RewindMark sends the reader to the ring's front.
const RewindMark = rewindMark

// LapSize is what a ring keeps of its memory.
const LapSize = lapSize

// Addresses returns where the windows are mapped.
func (c *Conn) Addresses() (in, out uintptr) { return uintptr(c.maps[0].base), uintptr(c.maps[1].base) }

// The words of a window, as the peer may see and write them.
func (h *header) Tail() uint64       { return h.tail.Load() }
func (h *header) Head() uint64       { return h.head.Load() }
func (h *header) Want() uint64       { return h.want.Load() }
func (h *header) SetTail(n uint64)   { h.tail.Store(n) }
func (h *header) SetHead(n uint64)   { h.head.Store(n) }
func (h *header) SetWant(n uint64)   { h.want.Store(n) }
func (h *header) SetAsleep(n uint32) { h.asleep.Store(n) }

// Send writes to the socket.
func (c *Conn) Send(p []byte) error {
	_, err := c.sock.Write(p)
	return err
}

// BlockBell makes the eventfd that the peer sleeps at a blocking one.
func (c *Conn) BlockBell() error { return unix.SetNonblock(c.bell.fd, false) }

// Bed returns a descriptor of the eventfd that c sleeps at, which is the caller's to close.
func (c *Conn) Bed() (fd int, err error) {
	callErr := c.bed.conn.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(callErr, err)
}

// TakeCount takes an eventfd's count, if there is any.
func TakeCount(fd int) error { return takeCount(fd, [][]byte{make([]byte, 8)}) }

// Meetings returns how many rendezvous have begun and not ended.
func (l *Listener) Meetings() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.meetings)
}

// MaxMeetings is how many rendezvous a listener holds.
const MaxMeetings = maxMeetings

// The parts of a rendezvous, for peers that do it wrong.
var (
	CreateRing = createRing
	CreateBell = createBell
)

// AcceptingReply is a reply that grants rings of these sizes.
func AcceptingReply(toServer, toClient uint64) []byte {
	return reply{granted: ringSizes{toServer, toClient}}.encode()
}

// InitialiseRing writes the header of a window's file as a server does.
func InitialiseRing(fd int, ringSize uint64) error {
	m, w, err := mapRing(fd, ringSize, 0)
	if err != nil {
		return err
	}
	w.initialise()
	m.close()
	return nil
}

// Conn returns what moves the frames of s.
func (s *Stream) Conn() *Conn { return s.conn }

// The parts of a rendezvous of byte streams.
var (
	StreamReply = reply{granted: ringSizes{MinRingSize, MinRingSize}, stream: true}.encode()
	CallsReply  = reply{granted: ringSizes{MinRingSize, MinRingSize}}.encode()
)

// Arena returns how many units of the arena that we write are in use, of how many.
func (c *Conn) Arena() (used, all int) {
	a := c.arenas[1]
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, s := range a.segments {
		if !a.freeLocked(i) {
			used += s.units
		}
	}
	return used, len(a.returned) - a.first()
}

// Mapped reports whether the two mappings, in and out, show the shared memory.
func (c *Conn) Mapped() (in, out bool) {
	return c.in.win.header.magic.Load() != 0, c.out.win.header.magic.Load() != 0
}

// ReturnAll gives back every block that the peer may have lent.
func (c *Conn) ReturnAll() {
	for i := range c.arenas[0].returned {
		c.arenas[0].giveBack(i)
	}
}
