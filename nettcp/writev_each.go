//go:build unix && !(darwin || linux || openbsd)

package nettcp

import "golang.org/x/sys/unix"

// writev writes one piece after the other, where x/sys has no vector, until the kernel does not take one whole.
func writev(fd int, bufs [][]byte) (int, error) {
	sent := 0
	for _, b := range bufs {
		n, err := unix.Write(fd, b)
		if err != nil && sent == 0 {
			return 0, err
		}
		if err != nil {
			return sent, nil // the next write meets the error again
		}
		sent += n
		if n < len(b) {
			break
		}
	}
	return sent, nil
}
