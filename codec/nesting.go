package codec

import (
	"fmt"

	"hotline/internal/plural"
)

// nesting follows the arrays, maps and tags around the item that a scan of msgpack or cbor has come to.
type nesting struct {
	left  [MaxDepth]uint64 // items that are still to come, for each container around
	depth int
	tally tally
}

// enter checks the container it, with so many bytes behind its head, counts what it can become, and goes into it.
func (s *nesting) enter(it item, bytesLeft int, w *weights) error {
	if s.depth == MaxDepth {
		return errDepth
	}
	items := it.n
	switch {
	case it.kind == kindTag:
		items = 1
	case it.n > uint64(bytesLeft):
	case it.kind == kindMap:
		items *= 2
		w.mapping(&s.tally, int(it.n))
	default:
		w.array(&s.tally, int(it.n), true)
	}
	if items > uint64(bytesLeft) {
		return lengthError(it, bytesLeft)
	}
	if items > 0 {
		s.left[s.depth] = items
		s.depth++
	}
	return nil
}

// ended counts the item it, which has been read or entered, and reports whether it was the last of all.
func (s *nesting) ended(it item) bool {
	if it.holds() {
		return false
	}
	for s.depth > 0 {
		if s.left[s.depth-1]--; s.left[s.depth-1] > 0 {
			return false
		}
		s.depth--
	}
	return true
}

// holds reports whether items follow that are part of it.
func (it item) holds() bool {
	switch it.kind {
	case kindArray, kindMap:
		return it.n > 0
	}
	return it.kind == kindTag
}

func lengthError(it item, bytesLeft int) error {
	unit := "byte"
	switch it.kind {
	case kindArray:
		unit = "element"
	case kindMap:
		unit = "pair"
	}
	return fmt.Errorf("%v of %s with %s left", it.kind, plural.Of(it.n, unit), plural.Of(bytesLeft, "byte"))
}
