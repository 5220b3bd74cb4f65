//go:build !race

package transporttest

// largeSize is the length of a large message.
const largeSize = 100 << 20
