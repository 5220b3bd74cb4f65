//go:build unix && !linux

package worker

// alone returns false: who is in a group is not looked up here.
func alone() bool { return false }

// awaitAlone does nothing.
func awaitAlone() {}
