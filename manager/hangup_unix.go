//go:build unix

package manager

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminalGone reports whether f was a terminal, and that has hung up.
func terminalGone(f *os.File) bool {
	_, err := term.GetState(int(f.Fd()))
	return errors.Is(err, unix.EIO)
}
