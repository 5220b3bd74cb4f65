//go:build race

package link_test

// raceEnabled says that the race detector is on: it makes sync.Pool forget at random, so that allocations can't be counted.
const raceEnabled = true
