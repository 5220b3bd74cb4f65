//go:build race

package transporttest

// largeSize is the length of a large message. The race detector makes every byte of it dear.
const largeSize = 8 << 20
