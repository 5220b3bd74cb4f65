//go:build amd64 || arm64

package spin

// pause executes the CPU's spin hint n times: it gives the sibling thread of the core its turn, and keeps the loop around
// it from being speculated far ahead. It can't be preempted, so n is small; it is at least 1.
//
//go:noescape
func pause(n uint32)
