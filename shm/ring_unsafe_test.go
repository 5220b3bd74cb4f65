package shm

import (
	"testing"
	"unsafe"
)

// newRing returns both ends of a ring in this process's own memory.
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
	return &sink{win: w}, &source{win: w}
}

// TestLayout holds the window's header against the table in spec.md.
func TestLayout(t *testing.T) {
	var h header
	for _, f := range []struct {
		name                         string
		offset, size, want, wantSize uintptr
	}{
		{"magic", unsafe.Offsetof(h.magic), unsafe.Sizeof(h.magic), 0, 4},
		{"version", unsafe.Offsetof(h.version), unsafe.Sizeof(h.version), 4, 4},
		{"size", unsafe.Offsetof(h.size), unsafe.Sizeof(h.size), 8, 8},
		{"generation", unsafe.Offsetof(h.generation), unsafe.Sizeof(h.generation), 16, 8},
		{"tail", unsafe.Offsetof(h.tail), unsafe.Sizeof(h.tail), 128, 8},
		{"head", unsafe.Offsetof(h.head), unsafe.Sizeof(h.head), 256, 8},
		{"asleep", unsafe.Offsetof(h.asleep), unsafe.Sizeof(h.asleep), 384, 4},
		{"want", unsafe.Offsetof(h.want), unsafe.Sizeof(h.want), 512, 8},
	} {
		if f.offset != f.want || f.size != f.wantSize {
			t.Errorf("%s: %d bytes at %d, want %d at %d", f.name, f.size, f.offset, f.wantSize, f.want)
		}
	}
	if n := unsafe.Sizeof(h); n > headerSize {
		t.Errorf("the header takes up %d bytes of %d", n, headerSize)
	}
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
