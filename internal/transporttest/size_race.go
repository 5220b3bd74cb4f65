//go:build race

package transporttest

// The race detector makes every byte of a large message dear.
const (
	largeSize = 8 << 20
	longSize  = 4 << 20
)
