package manager

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"hotline/internal/plural"
)

// speakerBytes may wait to be written.
const speakerBytes = 256 << 10

// speaker hands texts for people on to a writer that may block for as long as it likes, such as a terminal that is stopped or
// a pager: who says something never waits. What finds no room while the writer takes nothing is left out, and counted; how
// much it was is said behind what came before. Its methods may be called at once.
type speaker struct {
	to io.Writer

	mu      sync.Mutex
	waiting []byte        // under mu, as are those below
	left    int           // lines that were left out behind what is waiting
	written chan struct{} // closed when all has been written; nil where nothing is to be
}

// say takes a text, of one line or several, without its last end.
func (s *speaker) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left > 0 || len(s.waiting) > 0 && len(s.waiting)+len(text) >= speakerBytes { // none overtakes one that is left out
		s.left += 1 + strings.Count(text, "\n")
		return
	}
	s.waiting = append(append(s.waiting, text...), '\n')
	if s.written == nil {
		s.written = make(chan struct{})
		go s.write(s.written)
	}
}

// Write is say for those who write lines.
func (s *speaker) Write(line []byte) (int, error) {
	s.say(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

// write writes what waits until nothing does. It ends as soon as the writer lets it.
func (s *speaker) write(written chan<- struct{}) {
	for {
		text := s.take()
		if text == nil {
			close(written)
			return
		}
		s.to.Write(text) // who can't be told something can't be told that either
	}
}

// take returns what waits, or nil when all has been written.
func (s *speaker) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.waiting
	if s.left > 0 {
		text = fmt.Appendf(text, "(%s left out here: nobody took the output; see the log)\n", plural.Of(s.left, "line"))
	}
	s.waiting, s.left = nil, 0
	if text == nil {
		s.written = nil
	}
	return text
}

// finish returns when all that was said has been written, or after a time.
func (s *speaker) finish(patience time.Duration) {
	s.mu.Lock()
	written := s.written
	s.mu.Unlock()
	if written == nil {
		return
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-written:
	case <-timeout.C:
	}
}
