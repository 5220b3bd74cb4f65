//go:build !race

package transporttest

// The lengths of large messages, in bytes. The largest is sent in one of the meetings of each transport. In the others a
// message is longer than anything that a transport holds, and takes its path as often as that needs.
const (
	largeSize = 100 << 20
	longSize  = 24 << 20
)
