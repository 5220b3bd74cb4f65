package hsem

import (
	"fmt"
	"math/bits"
	"testing"

	"hotline/internal/spectest"
)

func TestSpec(t *testing.T) {
	tables := spectest.Tables(t, "..")
	spectest.Compare(t, tables, "The file of a hybrid lock is named `"+hybridPrefix+"` and the lock's name", [][]string{
		{num(offMagic), "4", "magic", fmt.Sprintf("%#x, the bytes HSEM", hybridMagic)},
		{num(offVersion), "4", "version", num(hybridVersion)},
		{num(offSize), "4", "size", fmt.Sprintf("%d, that of the file", hybridSize)},
		{num(offState), "8", "state"},
		{num(offSlots), "4", "slots"},
	})
	spectest.Compare(t, tables, "The bits of a hybrid lock's state", [][]string{
		{"0", num(bits.Len(ownerMask)), "owner"},
		{num(bits.TrailingZeros(orphaned)), "1", "orphaned"},
		{num(bits.TrailingZeros(destroyed)), "1", "destroyed"},
		{num(bits.TrailingZeros(waiters)), "1", "waiters"},
		{num(bits.TrailingZeros64(epochOne)), "32", "epoch"},
	})
	posix := "The file of a POSIX semaphore is glibc's on 64-bit CPUs, named `" + posixPrefix + "` and the semaphore's name, 32 bytes"
	spectest.Compare(t, tables, posix, [][]string{
		{num(offData), "4", "value"},
		{num(offData + 4), "4", "waiters"},
		{num(offPrivate), "4", "private", fmt.Sprintf("%d: it is shared", posixShared)},
		{num(offMark), "4", "mark"},
	})
	if posixSize != 32 || slotBase != 1<<32 || step.Milliseconds() != 60 || waiterOne != 1<<32 || value(1<<32-1) != 1<<32-1 {
		t.Error("spec.md says a POSIX semaphore of 32 bytes, slots from 2^32 on, and sleeps of 60 ms: the code says otherwise")
	}
}

func num(n int) string { return fmt.Sprint(n) }
