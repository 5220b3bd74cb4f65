package link

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Buffers lends message buffers in sizes of powers of two. The zero value is ready; it may be used by many
// goroutines. What is lent and not given back is simply garbage.
type Buffers struct {
	// Poison overwrites what is given back, so that whoever still uses it is found out. It is for tests, and is set
	// before the first use.
	Poison bool

	ahead   atomic.Int64                                   // of inbound, for servers
	classes [maxBufferClass - minBufferClass + 1]sync.Pool // of *buffer
}

const (
	minBufferClass = 9  // 512 bytes: the least that is lent
	maxBufferClass = 24 // 16 MiB: larger ones are left to the garbage collector
)

// poison is what a poisoned buffer is full of.
const poison = 0xdb

// buffer is a lent slice. It is a pointer all its life, so that lending does not allocate.
type buffer struct {
	b     []byte
	block Block // what b lies in; nil for ordinary memory
}

// get lends a buffer of length 0 with room for n bytes.
func (p *Buffers) get(n int) *buffer {
	class := max(bits.Len(uint(max(n, 1)-1)), minBufferClass)
	if class > maxBufferClass {
		return &buffer{b: make([]byte, 0, n)}
	}
	if v, ok := p.classes[class-minBufferClass].Get().(*buffer); ok {
		return v
	}
	return &buffer{b: make([]byte, 0, 1<<class)}
}

// getWithin lends a buffer with room for n bytes, for size if possible, and for no more than most, if that is more than the least
// that is lent.
func (p *Buffers) getWithin(n, size, most int) *buffer {
	for _, n := range []int{size, n} {
		if n <= 1<<minBufferClass || 1<<bits.Len(uint(n-1)) <= most {
			return p.get(n)
		}
	}
	return &buffer{b: make([]byte, 0, most)}
}

// put takes a buffer back. Nobody may hold on to it or to a slice of it.
func (p *Buffers) put(v *buffer) {
	if v.block != nil {
		v.block.Free()
		v.block, v.b = nil, nil
		return
	}
	if p.Poison {
		fill(v.b[:cap(v.b)], poison)
	}
	class := bits.Len(uint(cap(v.b))) - 1 // rounded down: the buffer has at least 1<<class
	if class < minBufferClass || class > maxBufferClass {
		return
	}
	v.b = v.b[:0]
	p.classes[class-minBufferClass].Put(v)
}

func fill(b []byte, v byte) {
	if len(b) == 0 {
		return
	}
	b[0] = v
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}
