package wire

import (
	"encoding/binary"
	"fmt"
)

func appendUint16(b []byte, v uint16) []byte { return binary.LittleEndian.AppendUint16(b, v) }
func appendUint32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func appendUint64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

// appendString appends s with its length before it.
func appendString(b []byte, s string) []byte {
	return append(appendUint32(b, uint32(len(s))), s...)
}

// reader takes values off the front of b. After the first failure every value is zero and err says what was wrong.
type reader struct {
	b    []byte
	what string // the message, for errors
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = protocolErrorf("%s: %s", r.what, fmt.Sprintf(format, args...))
	}
}

// take returns the next n bytes, which alias b, or nil.
func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.b) {
		r.fail("cut short: %d bytes wanted, %d are left", n, len(r.b))
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) magic() {
	if v := r.uint32(); r.err == nil && v != Magic {
		r.fail("starts with %#x, not with %#x: the peer does not speak hotline", v, uint32(Magic))
	}
}

func (r *reader) uint16() uint16 {
	if p := r.take(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if p := r.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if p := r.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// string copies: what is returned does not alias b.
func (r *reader) string() string {
	n := r.uint32()
	if r.err == nil && uint64(n) > uint64(len(r.b)) {
		r.fail("a string of %d bytes, %d are left", n, len(r.b))
		return ""
	}
	return string(r.take(int(n)))
}

// count reads the number of elements that follow, each of at least size bytes.
func (r *reader) count(size int) int {
	n := r.uint32()
	if r.err == nil && uint64(n) > uint64(len(r.b)/size) {
		r.fail("%d elements in %d bytes", n, len(r.b))
		return 0
	}
	return int(n)
}
