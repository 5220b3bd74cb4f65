//go:build race

package hotline_test

// raceEnabled: goroutines have larger stacks under the race detector, and copying takes long.
const raceEnabled = true
