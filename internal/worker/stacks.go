//go:build unix

package worker

import (
	"bytes"
	"fmt"
	"runtime"
)

// maxStacks bounds the stacks that a worker tells, in bytes, so that they mostly fit into a message: as JSON an end of a line
// has two bytes.
const maxStacks = MaxMessage / 2

// tellStacks answers an order for stacks, with less of them where they are full of what JSON has long words for. Where
// nothing can be sent the manager does not read any more.
func (s *Settings) tellStacks(number uint64) {
	for limit := maxStacks; limit >= maxStacks/4; limit /= 2 {
		if s.send(&Message{Event: Stacks, Answer: number, Text: stacks(limit)}) == nil {
			return
		}
	}
}

// stacks returns the stacks of all goroutines in at most limit bytes and a word that some are missing.
func stacks(limit int) string {
	buf := make([]byte, min(64<<10, limit))
	for {
		n := runtime.Stack(buf, true)
		switch {
		case n < len(buf):
			return string(buf[:n])
		case n == limit:
			whole := buf[:bytes.LastIndexByte(buf, '\n')+1]
			return fmt.Sprintf("%s\n... and more: there are %d goroutines, and these are the first %d bytes of their stacks\n",
				whole, runtime.NumGoroutine(), len(whole))
		}
		buf = make([]byte, min(2*len(buf), limit))
	}
}
