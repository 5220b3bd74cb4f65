package board

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// Board is a worker's side of a board. Its methods may be called at once. It stays mapped until the process ends.
type Board struct {
	memory
	start time.Time // when the process opened it
	begun int64     // what the board's time was then
	links atomic.Uint32
}

// Open opens the board that the manager handed to this process. The file may be closed afterwards.
func Open(f *os.File) (*Board, error) {
	mem, err := mapFile(f)
	if err != nil {
		return nil, err
	}
	return newBoard(mem)
}

// newBoard takes over memory that the manager has prepared.
func newBoard(mem []byte) (*Board, error) {
	if len(mem) < rowsOffset {
		return nil, fmt.Errorf("the board has %d bytes, needs %d: start the program with the manager of its version", len(mem), rowsOffset)
	}
	h := lay(mem, 0, 0).header
	methods, shards := h.methods.Load(), h.shards.Load()
	if m := h.magic.Load(); m != magic {
		return nil, fmt.Errorf("the board begins with %#x, not %#x: start the program with the manager of its version", m, uint64(magic))
	}
	if methods > MaxMethods || shards < 1 || shards > maxShards || size(int(methods), int(shards)) != len(mem) {
		return nil, fmt.Errorf("the board has %d bytes for %d methods and %d shards", len(mem), methods, shards)
	}
	b := &Board{memory: *lay(mem, int(methods), int(shards))}
	// In this order what lies between makes the board's time here a little late: were it early, the manager would see calls
	// that begin in the future.
	b.begun = monotonic() - int64(h.epoch.Load())
	b.start = time.Now()
	h.attached.Store(1)
	return b, nil
}

// now returns the board's time, in nanoseconds.
func (b *Board) now() int64 { return b.begun + int64(time.Since(b.start)) }

// Meter returns what the calls of one link are counted with. first is the number that the first method of the link's
// service has on the board, where the methods of all services stand one after the other.
func (b *Board) Meter(first int) *Meter {
	link := int(b.links.Add(1) - 1)
	shard := link % len(b.rows)
	return &Meter{board: b, first: first, home: link * lineWords % Places, rows: b.rows[shard], marks: &b.marks[shard]}
}
