package hsem

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// slotTries bounds the search for a slot that is free. The next one is, unless 268 million handles were opened since it was.
const slotTries = 4096

// takeSlot finds a free slot and keeps it until o is closed.
//
// The slot's number may have been another handle's long ago. It is not free while the state names it as the owner: that
// one is dead, and would seem alive again.
func takeSlot(o *object) (uint32, error) {
	last, state := o.mem.word32(offSlots), o.mem.word64(offState)
	for range slotTries {
		slot := last.Add(1) & ownerMask
		if slot == 0 {
			continue
		}
		err := lockSlot(o, slot, unix.F_WRLCK)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("lock byte %#x of %s: %w", slotBase+int64(slot), o.file.Name(), err)
		}
		if owner(state.Load()) != slot {
			return slot, nil
		}
		dropSlot(o, slot)
	}
	return 0, fmt.Errorf("%s has no free slot among %d: too many handles are open, or its contents are broken: remove it",
		o.file.Name(), slotTries)
}

// dropSlot lets go of a slot. Closing the file would not do it before the last mapping of it is gone.
func dropSlot(o *object, slot uint32) { _ = lockSlot(o, slot, unix.F_UNLCK) }

// lockSlot locks or unlocks a slot's byte for this open file.
func lockSlot(o *object, slot uint32, how int16) error {
	return o.control(func(fd int) error {
		lock := unix.Flock_t{Type: how, Whence: io.SeekStart, Start: slotBase + int64(slot), Len: 1}
		return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock)
	})
}

// slotTaken reports whether another open file has the slot. An error of the kernel's is no death. It asks for a read lock, which
// only a write lock is in the way of: one that a process took that may not write the file doesn't count.
func slotTaken(o *object, slot uint32) bool {
	lock := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart, Start: slotBase + int64(slot), Len: 1}
	err := o.control(func(fd int) error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lock) })
	return err != nil || lock.Type != unix.F_UNLCK
}
