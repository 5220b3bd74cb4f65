//go:build race

package race

// Enabled is true in programs built with -race.
const Enabled = true
