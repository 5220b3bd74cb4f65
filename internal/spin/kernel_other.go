//go:build !linux

package spin

// yield does nothing where only goroutines can give way to each other.
func yield() {}

// move does nothing where a thread can't choose its CPUs, or we don't know how.
func move() {}
