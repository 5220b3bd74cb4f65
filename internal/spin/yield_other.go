//go:build !linux

package spin

// yield does nothing where only goroutines can give way to each other.
func yield() {}
