//go:build !race

// Package race tells tests whether the race detector is on. It makes code slow, and sync.Pool forget at random, so that
// allocations can't be counted.
package race

// Enabled is true in programs built with -race.
const Enabled = false
