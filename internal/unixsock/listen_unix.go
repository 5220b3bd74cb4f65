//go:build unix

package unixsock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hotline/internal/filelock"
)

// lockWait bounds the wait for another process that makes or removes a socket at the same path.
const lockWait = 5 * time.Second

// listen is Listen. The whole of it happens under a lock: between bind and
// listen a socket refuses connections just like that of a dead process, and a second process that cleans up
// would take it away.
func listen(path string, mode fs.FileMode) (net.Listener, func(), error) {
	release, err := filelock.Guard(path+".lock", lockWait)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	if err := removeStale(path); err != nil {
		return nil, nil, err
	}
	inner, err := bindUnix(path, mode)
	if err != nil {
		return nil, nil, err
	}
	made, err := os.Lstat(path)
	if err != nil {
		inner.Close()
		return nil, nil, err
	}
	return inner, sync.OnceFunc(func() { removeOwn(path, made) }), nil
}

// removeStale takes away the socket file of a listener that is dead, which is one that refuses to be connected to. The
// caller holds the lock.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("the file exists and is no socket: remove it or use another path")
	}
	probe, err := net.Dial("unix", path)
	switch {
	case err == nil:
		probe.Close()
		return fmt.Errorf("another listener answers there: %w", syscall.EADDRINUSE)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.Is(err, syscall.ECONNREFUSED):
		// A full backlog, a file of another user: somebody may live there.
		return fmt.Errorf("a socket is there and may be in use: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket of a dead listener: %w", err)
	}
	return nil
}

// bindUnix makes the socket step by step, because the file needs its mode before the first client can connect.
func bindUnix(path string, mode fs.FileMode) (net.Listener, error) {
	syscall.ForkLock.RLock() // no child may inherit the socket before it is marked
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close() // net.FileListener duplicates it
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	err = os.Chmod(path, mode)
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, unix.SOMAXCONN))
	}
	var inner net.Listener
	if err == nil {
		inner, err = net.FileListener(file)
	}
	if err != nil {
		os.Remove(path)
		return nil, err
	}
	return inner, nil
}

// removeOwn takes the socket file away if it is still the one that was made. It comes before the socket is closed, and
// under the lock, so that no other process sees our file without its listener and takes it for stale.
func removeOwn(path string, made fs.FileInfo) {
	if release, err := filelock.Guard(path+".lock", lockWait); err == nil {
		defer release()
	}
	// The listener still holds the file's inode, so its number can't have been given to another file.
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, made) {
		os.Remove(path)
	}
}
