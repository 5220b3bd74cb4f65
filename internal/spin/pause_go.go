//go:build !amd64 && !arm64

package spin

import "sync/atomic"

// pause passes some time with loads that the compiler keeps.
func pause(n uint32) {
	var word atomic.Uint32
	for range 8 * n {
		word.Load()
	}
}
