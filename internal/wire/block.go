package wire

import "encoding/binary"

// BlockRefSize is the length of a [BlockRef] in bytes.
const BlockRefSize = 16

// Offsets of a reference's fields.
const (
	offBlockOffset = 0  // uint64
	offBlockArena  = 8  // uint32
	offBlockZero   = 12 // uint32: 0
)

// Arena says in which direction's shared memory a block lies.
type Arena uint32

const (
	ArenaSender   Arena = 1 // of the direction that the frame travels: the sender's own
	ArenaReceiver Arena = 2 // of the other one: a block of the receiver's comes back
)

// BlockRef is the message of a frame with FlagBlock: where the message lies. Its length is the header's Total.
type BlockRef struct {
	Offset uint64 // from the start of the arena
	Arena  Arena
}

// Put writes r to the first BlockRefSize bytes of b.
func (r BlockRef) Put(b []byte) {
	_ = b[BlockRefSize-1]
	binary.LittleEndian.PutUint64(b[offBlockOffset:], r.Offset)
	binary.LittleEndian.PutUint32(b[offBlockArena:], uint32(r.Arena))
	binary.LittleEndian.PutUint32(b[offBlockZero:], 0)
}

// ParseBlockRef reads a reference from the first BlockRefSize bytes of b, which must be memory that no peer can
// write. Whether there is such a block is for the arena's owner to say. The error is a [*ProtocolError].
func ParseBlockRef(b []byte) (BlockRef, error) {
	_ = b[BlockRefSize-1]
	r := BlockRef{binary.LittleEndian.Uint64(b[offBlockOffset:]), Arena(binary.LittleEndian.Uint32(b[offBlockArena:]))}
	zero := binary.LittleEndian.Uint32(b[offBlockZero:])
	if r.Arena != ArenaSender && r.Arena != ArenaReceiver || zero != 0 {
		return BlockRef{}, protocolErrorf("reference to a block in arena %d, padded with %#x", r.Arena, zero)
	}
	return r, nil
}
