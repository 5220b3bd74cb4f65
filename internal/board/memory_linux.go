package board

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// seals are on a board's file before the worker has it: a file that can't shrink can't take pages away from under the
// manager.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// createFile returns a new memory file of a size that stays.
func createFile(size int) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("hotline-board", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // a kernel before 6.3
		fd, err = unix.MemfdCreate("hotline-board", flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "board")
	if err := f.Truncate(int64(size)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), f.Close())
	}
	return f, nil
}

// mapFile maps a whole file.
func mapFile(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < 1 || info.Size() > int64(size(MaxMethods, maxShards)) {
		return nil, fmt.Errorf("the board's file has %d bytes", info.Size())
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the board, %d bytes: %w", info.Size(), os.NewSyscallError("mmap", err))
	}
	return mem, nil
}

// protect keeps this process from writing to memory any more.
func protect(mem []byte) error {
	return os.NewSyscallError("mprotect", unix.Mprotect(mem, unix.PROT_READ))
}

func unmap(mem []byte) error { return os.NewSyscallError("munmap", unix.Munmap(mem)) }

// monotonic returns the time in nanoseconds on the clock that all processes of the machine share, and that package time
// measures durations by.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0 // it can't fail for this clock
	}
	return t.Nano()
}
