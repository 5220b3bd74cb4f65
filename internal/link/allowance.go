package link

// What the streams of one side of a link may hold. Each may have the least, whatever the others do: wire.StreamWindow that has come,
// and smallBatch that is to be sent. What makes a stream quick is more than that, and comes out of an allowance for all of
// them, so that a peer with as many streams as it may have can't make this side hold as many full windows.
const (
	streamAllowance = 4 << 20   // bytes for all
	batchShare      = 128 << 10 // of one that sends much: what is copied, pending, and being written
)

// allowance is what is left of it. It is guarded by the link's mu.
type allowance struct{ left int }

// take reports whether n bytes were left, and spare beyond them.
func (a *allowance) take(n, spare int) bool {
	if a.left < n+spare {
		return false
	}
	a.left -= n
	return true
}

func (a *allowance) give(n int) { a.left += n }
