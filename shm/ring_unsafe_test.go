package shm

import (
	"testing"
	"unsafe"
)

// newRing returns both ends of a ring in this process's own memory. Its laps are as long as the ring, which is short.
func newRing(t testing.TB, size int) (*sink, *source) {
	t.Helper()
	words := make([]uint64, (headerSize+size+frameAlign)/8)
	mem := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
	if odd := int(uintptr(unsafe.Pointer(&mem[0])) % frameAlign); odd != 0 {
		mem = mem[frameAlign-odd:]
	}
	w, err := newWindow(mem[:headerSize+size])
	if err != nil {
		t.Fatal(err)
	}
	w.initialise()
	out := newSink(w, lapSize)
	return &out, &source{win: w}
}

// TestNewWindow: memory that can't be a window is refused.
func TestNewWindow(t *testing.T) {
	mem := make([]byte, 2*headerSize+frameAlign)
	odd := int(uintptr(unsafe.Pointer(&mem[0])) % frameAlign)
	aligned := mem[(frameAlign-odd)%frameAlign:]
	for _, c := range []struct {
		name string
		mem  []byte
		ok   bool
	}{
		{"good", aligned[:headerSize+4096], true},
		{"empty", nil, false},
		{"header only", aligned[:headerSize], false},
		{"not a power of two", aligned[:headerSize+192], false},
		{"not aligned", aligned[1 : headerSize+4096+1][:headerSize+2048], false},
	} {
		if _, err := newWindow(c.mem); (err == nil) != c.ok {
			t.Errorf("newWindow(%s): %v", c.name, err)
		}
	}
}
