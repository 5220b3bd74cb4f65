package shm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"hotline/internal/wire"
)

// The rendezvous: the client sends a request, the listener answers with a reply, and with an accepting reply come the
// file descriptors. Both have fixed sizes and little-endian integers; see spec.md.
const (
	rendezvousMagic   = "hotlnshm"
	rendezvousVersion = 1

	requestSize = 32
	replySize   = 128

	offRendezvousMagic   = 0  // [8]byte
	offRendezvousVersion = 8  // uint16
	offReplyStatus       = 10 // uint16, of a reply; zero in a request
	offRendezvousFlags   = 12 // uint32: flagStream, the same in request and accepting reply; flagBlocks in a request
	offToServer          = 16 // uint64: bytes of the ring from client to server, wanted or granted; 0 wants any
	offToClient          = 24 // uint64: bytes of the ring from server to client
	offReplyArena        = 32 // uint64: bytes of each arena, of an accepting reply
	offReplyReason       = 40 // words of a refusal, UTF-8, zero-padded

	statusAccepted = 1
	statusRefused  = 2

	flagStream = 1 // the connection carries two byte streams, and no calls: see Stream
	flagBlocks = 2 // the client takes blocks
)

// The messages on the socket after the rendezvous, a byte each.
const (
	bellSpace = 's' // there is room in the ring that you write
	bellEnd   = 'e' // of a byte stream: what the ring holds now is the last that I write
)

// The descriptors of an accepting reply, in this order.
const (
	fdRingToServer = iota
	fdRingToClient
	fdBellToServer // rung for the server's reader
	fdBellToClient
	rendezvousFDs
)

// ringSizes are the bytes of the two directions' rings.
type ringSizes struct{ toServer, toClient uint64 }

// request is what a client asks for. Sizes of 0 leave the choice to the listener.
type request struct {
	want   ringSizes
	stream bool
	blocks bool
}

func (r request) encode() []byte {
	b := make([]byte, requestSize)
	copy(b, rendezvousMagic)
	binary.LittleEndian.PutUint16(b[offRendezvousVersion:], rendezvousVersion)
	r.want.put(b)
	putFlag(b, flagStream, r.stream)
	putFlag(b, flagBlocks, r.blocks)
	return b
}

// parseRequest reads the first requestSize bytes of b. The error is a [*wire.ProtocolError].
func parseRequest(b []byte) (request, error) {
	flags, err := checkRendezvous(b, flagStream|flagBlocks)
	if err != nil {
		return request{}, err
	}
	if status := binary.LittleEndian.Uint16(b[offReplyStatus:]); status != 0 {
		return request{}, wire.ProtocolErrorf("rendezvous request with status %d", status)
	}
	want := getRingSizes(b)
	for _, n := range []uint64{want.toServer, want.toClient} {
		if n != 0 && !goodRingSize(n) {
			return request{}, wire.ProtocolErrorf("rendezvous asks for a ring of %d bytes: a power of two from %d to %d is needed",
				n, MinRingSize, MaxRingSize)
		}
	}
	return request{want: want, stream: flags&flagStream != 0, blocks: flags&flagBlocks != 0}, nil
}

// reply is what a listener answers: the sizes granted, or the reason of a refusal.
type reply struct {
	granted ringSizes
	arena   uint64 // bytes of each arena
	stream  bool
	reason  string // not empty: refused
}

func (r reply) encode() []byte {
	b := make([]byte, replySize)
	copy(b, rendezvousMagic)
	binary.LittleEndian.PutUint16(b[offRendezvousVersion:], rendezvousVersion)
	if r.reason != "" {
		binary.LittleEndian.PutUint16(b[offReplyStatus:], statusRefused)
		copy(b[offReplyReason:], r.reason)
		return b
	}
	binary.LittleEndian.PutUint16(b[offReplyStatus:], statusAccepted)
	r.granted.put(b)
	binary.LittleEndian.PutUint64(b[offReplyArena:], r.arena)
	putFlag(b, flagStream, r.stream)
	return b
}

// parseReply reads the first replySize bytes of b. The error is a [*wire.ProtocolError].
func parseReply(b []byte) (reply, error) {
	flags, err := checkRendezvous(b, flagStream)
	if err != nil {
		return reply{}, err
	}
	switch status := binary.LittleEndian.Uint16(b[offReplyStatus:]); status {
	case statusAccepted:
	case statusRefused:
		text, _, _ := bytes.Cut(b[offReplyReason:replySize], []byte{0})
		reason := strings.ToValidUTF8(string(text), "")
		if reason == "" {
			reason = "no reason given"
		}
		return reply{reason: reason}, nil
	default:
		return reply{}, wire.ProtocolErrorf("rendezvous reply with status %d", status)
	}
	granted := getRingSizes(b)
	for _, n := range []uint64{granted.toServer, granted.toClient} {
		if !goodRingSize(n) {
			return reply{}, wire.ProtocolErrorf("rendezvous grants a ring of %d bytes", n)
		}
	}
	arena := binary.LittleEndian.Uint64(b[offReplyArena:])
	if arena > MaxArenaSize || arena%unit != 0 {
		return reply{}, wire.ProtocolErrorf("rendezvous grants an arena of %d bytes", arena)
	}
	return reply{granted: granted, arena: arena, stream: flags&flagStream != 0}, nil
}

// checkRendezvous checks what request and reply have in common, and returns the flags, which are among those known.
func checkRendezvous(b []byte, known uint32) (flags uint32, err error) {
	if string(b[:len(rendezvousMagic)]) != rendezvousMagic {
		return 0, wire.ProtocolErrorf("the peer doesn't speak hotline's shared memory rendezvous: it began with %q",
			b[:len(rendezvousMagic)])
	}
	if v := binary.LittleEndian.Uint16(b[offRendezvousVersion:]); v != rendezvousVersion {
		return 0, &versionError{v}
	}
	flags = binary.LittleEndian.Uint32(b[offRendezvousFlags:])
	if flags&^known != 0 {
		return 0, wire.ProtocolErrorf("rendezvous with unknown flags %#x", flags)
	}
	return flags, nil
}

// putFlag sets a flag.
func putFlag(b []byte, flag uint32, set bool) {
	if set {
		flags := binary.LittleEndian.Uint32(b[offRendezvousFlags:])
		binary.LittleEndian.PutUint32(b[offRendezvousFlags:], flags|flag)
	}
}

// versionError is a peer of another version, which is told so.
type versionError struct{ version uint16 }

func (e *versionError) Error() string {
	return fmt.Sprintf("shared memory rendezvous of version %d, here it is %d", e.version, rendezvousVersion)
}

func (e *versionError) Unwrap() error { return &wire.ProtocolError{Reason: e.Error()} }

func (s ringSizes) put(b []byte) {
	binary.LittleEndian.PutUint64(b[offToServer:], s.toServer)
	binary.LittleEndian.PutUint64(b[offToClient:], s.toClient)
}

func getRingSizes(b []byte) ringSizes {
	return ringSizes{binary.LittleEndian.Uint64(b[offToServer:]), binary.LittleEndian.Uint64(b[offToClient:])}
}

// grant returns the sizes that a listener whose own rings have size own gives to a client that wants these.
func (s ringSizes) grant(own uint64) ringSizes {
	one := func(want uint64) uint64 {
		if want == 0 {
			return own
		}
		return min(want, own)
	}
	return ringSizes{one(s.toServer), one(s.toClient)}
}
