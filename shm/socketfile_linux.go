package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketFile is the file of a listener's socket: its place, and which file it is.
type socketFile struct {
	path     string
	dev, ino uint64
}

// bind makes a listening socket at path, with the permissions of s from the first moment on.
func bind(path string, s settings) (*net.UnixListener, socketFile, error) {
	if err := checkPath(path); err != nil {
		return nil, socketFile{}, err
	}
	unlock, err := lockDir(filepath.Dir(path), s.handshake)
	if err != nil {
		return nil, socketFile{}, err
	}
	defer unlock()
	if err := clearPath(path); err != nil {
		return nil, socketFile{}, err
	}
	// The permissions of the socket itself become those of its file, less the umask (Linux). Widening comes last.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var modeErr error
		err := raw.Control(func(fd uintptr) { modeErr = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, modeErr)
	}}
	ln, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, socketFile{}, err
	}
	sock := ln.(*net.UnixListener)
	sock.SetUnlinkOnClose(false)
	file := socketFile{path: path}
	if file.dev, file.ino, err = fileID(path); err == nil {
		err = os.Chmod(path, s.mode)
	}
	if err != nil {
		file.remove()
		_ = sock.Close()
		return nil, socketFile{}, err
	}
	return sock, file, nil
}

// remove takes the file away if it is still ours. The socket is still open, so that no other listener has replaced it.
func (f socketFile) remove() {
	if dev, ino, err := fileID(f.path); err == nil && dev == f.dev && ino == f.ino {
		_ = os.Remove(f.path)
	}
}

// clearPath removes the socket of a dead listener. It is called with the directory locked, so that of two who find
// a dead socket the second finds the first's.
func clearPath(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is not a socket: remove it or choose another path", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("another listener is there: %w", unix.EADDRINUSE)
	}
	if !errors.Is(err, unix.ECONNREFUSED) { // EAGAIN, say: it lives and is busy
		return fmt.Errorf("another listener seems to be there: %w (%w)", unix.EADDRINUSE, err)
	}
	return os.Remove(path)
}

// lockDir takes the one lock on a directory that listeners hold while they look at a socket there and bind.
// The kernel gives it back when the holder dies.
func lockDir(dir string, patience time.Duration) (unlock func(), err error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = unix.Close(fd) }, nil
		}
		busy := errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR)
		if !busy || time.Now().After(end) {
			_ = unix.Close(fd)
			return nil, &fs.PathError{Op: "flock", Path: dir, Err: err}
		}
	}
}

// fileID identifies the file at path.
func fileID(path string) (dev, ino uint64, err error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return 0, 0, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return uint64(st.Dev), st.Ino, nil
}
