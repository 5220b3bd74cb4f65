//go:build !unix

package unixsock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
)

// listen is Listen. Without file locks two processes that replace the same stale file at the same
// moment can disturb each other; who may connect is decided by the directory, because the file has no mode here.
func listen(path string, _ fs.FileMode) (net.Listener, func(), error) {
	if _, err := os.Lstat(path); err == nil {
		if probe, err := net.Dial("unix", path); err == nil {
			probe.Close()
			return nil, nil, errors.New("another listener answers there")
		}
		if err := os.Remove(path); err != nil {
			return nil, nil, fmt.Errorf("remove the socket of a dead listener: %w", err)
		}
	}
	inner, err := net.Listen("unix", path)
	if err != nil {
		return nil, nil, err
	}
	inner.(*net.UnixListener).SetUnlinkOnClose(false)
	made, err := os.Lstat(path)
	if err != nil {
		inner.Close()
		return nil, nil, err
	}
	return inner, sync.OnceFunc(func() {
		if now, err := os.Lstat(path); err == nil && os.SameFile(now, made) {
			os.Remove(path)
		}
	}), nil
}
