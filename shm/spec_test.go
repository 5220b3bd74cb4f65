package shm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"unsafe"

	"hotline/internal/spectest"
)

func TestSpecRendezvous(t *testing.T) {
	spectest.Compare(t, spectest.Tables(t, ".."), "Rendezvous", [][]string{
		{num(offRendezvousMagic), num(len(rendezvousMagic)), "magic", rendezvousMagic},
		{num(offRendezvousVersion), "2", "version", num(rendezvousVersion)},
		{num(offReplyStatus), "2", "status", fmt.Sprintf("0 in a request; in a reply %d accepted, %d refused", statusAccepted, statusRefused)},
		{num(offRendezvousFlags), "4", "flags"},
		{num(offToServer), "8", "to server"},
		{num(offToClient), "8", "to client"},
		{num(offReplyArena), "8", "arena"},
		{num(offReplyReason), num(replySize - offReplyReason), "reason"},
	})
	if requestSize != 32 || replySize != 128 || rendezvousFDs != 4 {
		t.Errorf("spec.md says a request of 32 bytes, a reply of 128 and 4 descriptors: the code has %d, %d and %d",
			requestSize, replySize, rendezvousFDs)
	}
	if bellSpace != 's' || bellEnd != 'e' || flagStream != 1 || flagBlocks != 2 {
		t.Errorf("spec.md says 's', 'e' and the flags 1 and 2: the code has %q, %q, %d and %d", bellSpace, bellEnd, flagStream, flagBlocks)
	}
	if fdRingToServer != 0 || fdRingToClient != 1 || fdBellToServer != 2 || fdBellToClient != 3 {
		t.Error("spec.md gives the descriptors in another order")
	}
}

func TestSpecWindow(t *testing.T) {
	var h header
	spectest.Compare(t, spectest.Tables(t, ".."), "round the ring's end, 10,000 links come near the kernel's limit of mappings for a process (65,530).", [][]string{
		{num(unsafe.Offsetof(h.magic)), num(unsafe.Sizeof(h.magic)), "magic", "server", fmt.Sprintf("%#x, the bytes HRNG", ringMagic)},
		{num(unsafe.Offsetof(h.version)), num(unsafe.Sizeof(h.version)), "version", "server", num(ringVersion)},
		{num(unsafe.Offsetof(h.size)), num(unsafe.Sizeof(h.size)), "size"},
		{num(unsafe.Offsetof(h.generation)), num(unsafe.Sizeof(h.generation)), "generation"},
		{num(unsafe.Offsetof(h.tail)), num(unsafe.Sizeof(h.tail)), "tail", "writer"},
		{num(unsafe.Offsetof(h.head)), num(unsafe.Sizeof(h.head)), "head", "reader"},
		{num(unsafe.Offsetof(h.asleep)), num(unsafe.Sizeof(h.asleep)), "asleep"},
		{num(unsafe.Offsetof(h.want)), num(unsafe.Sizeof(h.want)), "want"},
		{num(headerSize), "", "ring"},
		{num(headerSize) + " + size", "", "arena"},
	})
	if unit != 16384 {
		t.Errorf("spec.md says that an arena is units of 16,384 bytes: the code says %d", unit)
	}
	if frameAlign != 64 || longestFrame != 32<<10 || lapSize != 64<<10 {
		t.Errorf("spec.md says that frames begin on a multiple of 64 bytes, have 32 KiB at most, and go to the front after 64 KiB: "+
			"the code says %d, %d and %d", frameAlign, longestFrame, lapSize)
	}
	if b := binary.LittleEndian.AppendUint64(nil, rewindMark); !bytes.Equal(b, []byte{0, 0, 0, 0, 255, 0, 0, 0}) {
		t.Errorf("spec.md has another mark for the rest of the ring: the code has %d", b)
	}
}

func num[T int | uintptr](n T) string { return fmt.Sprint(n) }
