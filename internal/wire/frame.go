package wire

import (
	"encoding/binary"
	"fmt"
)

// The sizes of a frame. Every integer on the wire is little-endian.
const (
	// HeaderSize is the length of a frame's header in bytes: with a payload of up to 32 bytes a frame is one cache line.
	HeaderSize = 32

	// MaxFramePayload is the most that one frame may carry. Longer messages go in pieces, so that
	// the frames of other calls travel between them.
	MaxFramePayload = 256 << 10

	// MaxMetadata bounds the metadata of a message, which travels whole in its first frame.
	MaxMetadata = 16 << 10
)

// Offsets of the header's fields.
const (
	offLength   = 0  // uint32: payload bytes that follow, metadata included
	offKind     = 4  // uint8
	offFlags    = 5  // uint8
	offMethod   = 6  // uint16: method number of a call, Code of an error, a refusal and a cancel
	offID       = 8  // uint64: call id, chosen by the caller, never 0 for a call
	offTimeout  = 16 // uint64: nanoseconds left to a call, 0 where there is no deadline; the bytes of a credit
	offTotal    = 24 // uint32: bytes of the whole message without its metadata
	offMetadata = 28 // uint32: bytes of metadata that precede the message
)

// Kind says what a frame is for.
type Kind uint8

// The kinds of a frame. The payload of each is in spec.md.
const (
	KindHello   Kind = 1  // client to server, first: who calls and what it expects
	KindWelcome Kind = 2  // server to client: accepted, with the method table
	KindRefuse  Kind = 3  // server to client: not accepted, why
	KindCall    Kind = 4  // a request: arguments
	KindReply   Kind = 5  // its answer: results
	KindError   Kind = 6  // its answer: it failed; Method holds the Code
	KindCancel  Kind = 7  // the caller gave the call up; Method says why: CodeCanceled or CodeDeadline
	KindGoaway  Kind = 8  // the server drains: no new calls on this link
	KindPing    Kind = 9  // asks for a pong with the same id
	KindPong    Kind = 10 // answers a ping
	KindBye     Kind = 11 // server to client, last: a call that has no answer was not executed
	KindItem    Kind = 12 // the next bytes of a call's stream
	KindCredit  Kind = 13 // so many more bytes of a call's stream may be sent
	KindEnd     Kind = 14 // client to server: no more items come; Method holds a Code where the stream failed
	KindStop    Kind = 15 // server to client: no more items are read
)

// StreamWindow is how many bytes may be sent on a stream, in each direction, before the first credit.
const StreamWindow = 32 << 10

var kindNames = [...]string{
	KindHello: "hello", KindWelcome: "welcome", KindRefuse: "refuse", KindCall: "call", KindReply: "reply",
	KindError: "error", KindCancel: "cancel", KindGoaway: "goaway", KindPing: "ping", KindPong: "pong",
	KindBye: "bye", KindItem: "item", KindCredit: "credit", KindEnd: "end", KindStop: "stop",
}

// String returns the kind's name in spec.md.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Flags modify a frame.
type Flags uint8

// The flags of a frame.
const (
	FlagMore        Flags = 1 << 0 // another piece of this message follows
	FlagPiece       Flags = 1 << 1 // not the first piece: continues the message of this id
	FlagCancellable Flags = 1 << 2 // on a call: the caller may cancel it before its answer
	FlagBlock       Flags = 1 << 3 // on a call or a reply: the message lies in shared memory, and the frame says where
	FlagSends       Flags = 1 << 4 // on a call: the client streams to the server
	FlagTakes       Flags = 1 << 5 // on a call: the server streams to the client

	knownFlags = FlagMore | FlagPiece | FlagCancellable | FlagBlock | FlagSends | FlagTakes
)

// Header is the decoded header of a frame.
type Header struct {
	Length   uint32 // payload bytes that follow, metadata included
	Kind     Kind   //
	Flags    Flags  //
	Method   uint16 // method number of a call, Code of an error, a refusal and a cancel
	ID       uint64 // call id
	Timeout  uint64 // nanoseconds left to a call, 0 for no deadline; the bytes of a credit
	Total    uint32 // bytes of the whole message without its metadata
	Metadata uint32 // bytes of metadata at the start of the payload
}

// Put writes h to the first HeaderSize bytes of b.
func (h *Header) Put(b []byte) {
	_ = b[HeaderSize-1]
	binary.LittleEndian.PutUint32(b[offLength:], h.Length)
	b[offKind] = byte(h.Kind)
	b[offFlags] = byte(h.Flags)
	binary.LittleEndian.PutUint16(b[offMethod:], h.Method)
	binary.LittleEndian.PutUint64(b[offID:], h.ID)
	binary.LittleEndian.PutUint64(b[offTimeout:], h.Timeout)
	binary.LittleEndian.PutUint32(b[offTotal:], h.Total)
	binary.LittleEndian.PutUint32(b[offMetadata:], h.Metadata)
}

// ParseHeader reads a header from the first HeaderSize bytes of b, which must be memory that no peer can write,
// and checks everything that can be checked without knowing the call: a header it returns without an error can
// be trusted in its lengths. The error is a [*ProtocolError].
func ParseHeader(b []byte) (Header, error) {
	_ = b[HeaderSize-1]
	h := Header{
		Length:   binary.LittleEndian.Uint32(b[offLength:]),
		Kind:     Kind(b[offKind]),
		Flags:    Flags(b[offFlags]),
		Method:   binary.LittleEndian.Uint16(b[offMethod:]),
		ID:       binary.LittleEndian.Uint64(b[offID:]),
		Timeout:  binary.LittleEndian.Uint64(b[offTimeout:]),
		Total:    binary.LittleEndian.Uint32(b[offTotal:]),
		Metadata: binary.LittleEndian.Uint32(b[offMetadata:]),
	}
	return h, h.check()
}

// FrameLength returns the length of the payload that the header at the start of b announces. It checks nothing: it is for
// asking whether a frame has come whole.
func FrameLength(b []byte) int { return int(binary.LittleEndian.Uint32(b[offLength:])) }

// check reports what is wrong with a header in itself.
func (h *Header) check() error {
	if h.Kind < KindHello || h.Kind > KindStop {
		return protocolErrorf("frame of unknown kind %d", uint8(h.Kind))
	}
	if h.Flags&^knownFlags != 0 {
		return protocolErrorf("%s frame with unknown flags %#x", h.Kind, uint8(h.Flags))
	}
	if h.Length > MaxFramePayload {
		return protocolErrorf("%s frame of %d bytes, at most %d are allowed", h.Kind, h.Length, MaxFramePayload)
	}
	if h.Metadata > MaxMetadata || h.Metadata > h.Length {
		return protocolErrorf("%s frame with %d bytes of metadata in %d", h.Kind, h.Metadata, h.Length)
	}
	body := h.Length - h.Metadata
	if h.Flags&FlagBlock != 0 {
		return h.checkBlock(body)
	}
	switch {
	case h.Flags&(FlagMore|FlagPiece) == 0 && body != h.Total:
		return protocolErrorf("%s frame carries %d bytes of a message of %d", h.Kind, body, h.Total)
	case body > h.Total:
		return protocolErrorf("%s frame carries %d bytes, more than its message of %d", h.Kind, body, h.Total)
	case h.Flags&FlagMore != 0 && body == 0:
		return protocolErrorf("empty piece of a %s", h.Kind)
	case h.Flags&FlagPiece != 0 && h.Metadata != 0:
		return protocolErrorf("metadata in a later piece of a %s", h.Kind)
	}
	return nil
}

// checkBlock is check for a frame that refers to a block. It is the only kind whose length says nothing of its message's.
func (h *Header) checkBlock(body uint32) error {
	switch {
	case h.Kind != KindCall && h.Kind != KindReply || h.Flags&(FlagMore|FlagPiece) != 0:
		return protocolErrorf("%s frame with a block and flags %#x", h.Kind, uint8(h.Flags))
	case body != BlockRefSize || h.Total == 0:
		return protocolErrorf("%s frame refers to a block of %d bytes in %d", h.Kind, h.Total, body)
	}
	return nil
}
