package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// choose returns the path that an empty one stands for, and the words for it in errors.
func choose(path string) (chosen, from string, err error) {
	if path != "" {
		return path, path, nil
	}
	if dir := os.Getenv("HOTLINE_DIR"); dir != "" {
		return dir, "$HOTLINE_DIR, " + dir, nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		if err := checkRuntimeDir(dir); err != nil {
			return "", "", err
		}
		chosen := filepath.Join(dir, "hotline")
		return chosen, chosen + " (in $XDG_RUNTIME_DIR)", nil
	}
	chosen = filepath.Join(os.TempDir(), userDir())
	return chosen, chosen, nil
}

// locate returns the absolute path of what choose chooses.
func locate(path string) (absolute, from string, err error) {
	path, from, err = choose(path)
	if err != nil {
		return "", "", fmt.Errorf("registry: %w", err)
	}
	if absolute, err = filepath.Abs(path); err != nil {
		return "", "", fmt.Errorf("registry: open %s: %w", from, err)
	}
	return absolute, from, nil
}

// checkRuntimeDir keeps a directory that was inherited from another user, by su or sudo, from being used.
func checkRuntimeDir(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no directory")
	}
	if err == nil {
		err = checkOwner(info)
	}
	if err != nil {
		return fmt.Errorf("$XDG_RUNTIME_DIR, %s, can't be used: %w: unset it, or set HOTLINE_DIR to a directory of your own",
			dir, err)
	}
	return nil
}

// makeOwn makes the directory where it is missing, and refuses one that others have a hand in.
func makeOwn(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("%w: set HOTLINE_DIR to a directory that you can make", err)
		}
		info, err = os.Lstat(path)
	}
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("it is a symlink: set HOTLINE_DIR to the directory itself")
	case !info.IsDir():
		return errors.New("it is no directory: remove it, or set HOTLINE_DIR to a directory of your own")
	}
	if err := checkOwner(info); err != nil {
		return fmt.Errorf("%w: set HOTLINE_DIR to a directory of your own", err)
	}
	if mode := info.Mode().Perm(); writableByOthers(mode) {
		return fmt.Errorf("its mode %#o lets others write to it: run chmod 700 %s, or set HOTLINE_DIR to another directory",
			mode, path)
	}
	return nil
}

// checkLength reports when the sockets of a port would have paths that the kernel does not take.
func (d *Dir) checkLength(port string) error {
	longest := d.socketLength(len(port))
	if longest <= maxSocketPath {
		return nil
	}
	return fmt.Errorf("the socket of port %s in %s would have a path of %d bytes, this system takes %d: "+
		"set HOTLINE_DIR to something shorter", port, d.path, longest, maxSocketPath)
}

func (d *Dir) socketLength(port int) int {
	return len(d.path) + len("/") + port + len("-") + idLength + len(".") + maxKind
}

// LongestSocket returns how many bytes the path of a socket in the directory has whose port is a number of five digits. Ports
// that are words may be longer.
func (d *Dir) LongestSocket() int { return d.socketLength(len("65535")) }
