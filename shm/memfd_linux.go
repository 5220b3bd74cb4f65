package shm

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"hotline/internal/wire"
)

// memoryName is what /proc/PID/maps calls a window: "/memfd:hotline".
const memoryName = "hotline"

// ringSeals are on every window's file before anybody maps it. A file that can't shrink can't take pages away from
// under a mapping, which would be a SIGBUS.
const ringSeals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// createRing makes the file of a window for a ring, and an arena, of size bytes together. The caller closes it.
func createRing(size uint64) (fd int, err error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err = unix.MemfdCreate(memoryName, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // a kernel before 6.3
		fd, err = unix.MemfdCreate(memoryName, flags)
	}
	if err != nil {
		return -1, fmt.Errorf("create shared memory: %w", os.NewSyscallError("memfd_create", err))
	}
	if err := unix.Ftruncate(fd, int64(headerSize+size)); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("create %d bytes of shared memory: %w", size, os.NewSyscallError("ftruncate", err))
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, ringSeals); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("seal shared memory: %w", os.NewSyscallError("fcntl", err))
	}
	return fd, nil
}

// checkRing reports whether a descriptor that the peer has sent is a window's file as createRing makes them. With its
// seals it is a memory file, and with its size not one of huge pages, of which the system may have none when it is
// touched.
func checkRing(fd int, size uint64) error {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&ringSeals != ringSeals {
		return wire.ProtocolErrorf("the peer's shared memory has seals %#x, needs %#x", max(seals, 0), ringSeals)
	}
	var st unix.Stat_t // after the seals: from here on the size stays
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if st.Size != int64(headerSize+size) {
		return wire.ProtocolErrorf("the peer's shared memory is %d bytes, should be %d", st.Size, headerSize+size)
	}
	return nil
}

// mapRing maps a window's file, with the arena behind the ring.
func mapRing(fd int, ringSize, arenaSize uint64) (*mapping, *window, error) {
	m, err := newMapping(fd, int(headerSize+ringSize+arenaSize))
	if err != nil {
		return nil, nil, err
	}
	w, err := newWindow(m.mem[:headerSize+ringSize])
	if err != nil {
		m.close()
		return nil, nil, err
	}
	return m, w, nil
}
