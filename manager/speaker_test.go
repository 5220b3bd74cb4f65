package manager

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hotline/internal/wait"
)

// stuckOutput takes nothing until it is released, and then everything.
type stuckOutput struct {
	entered chan struct{} // takes a value when a write begins
	release chan struct{}
	text    strings.Builder // read it when nothing is written any more
}

func newStuckOutput() *stuckOutput {
	return &stuckOutput{entered: make(chan struct{}, 1), release: make(chan struct{})}
}

func (o *stuckOutput) Write(b []byte) (int, error) {
	select {
	case o.entered <- struct{}{}:
	default:
	}
	<-o.release
	return o.text.Write(b)
}

// A speaker keeps the order, and says how much it left out while nothing was taken.
func TestSpeaker(t *testing.T) {
	out := newStuckOutput()
	s := &speaker{to: out}
	s.finish(time.Hour) // there is nothing to be written
	s.say("first")
	wait.Receive(t, "the first line at the writer", out.entered)
	line := strings.Repeat("x", 99)
	kept := (speakerBytes - 1) / (len(line) + 1)
	for range kept {
		s.say(line)
	}
	s.say(line)
	s.say("and\nthis\ntoo " + line)
	s.say("") // there would be room
	s.finish(time.Nanosecond)
	close(out.release)
	s.finish(wait.Limit)
	s.say("again")
	s.finish(wait.Limit)
	want := "first\n" + strings.Repeat(line+"\n", kept) + "(5 lines left out here: nobody took the output; see the log)\nagain\n"
	if got := out.text.String(); got != want {
		t.Errorf("got %d bytes that end in %q, want %d", len(got), got[max(0, len(got)-200):], len(want))
	}
}

// One text that is larger than all that may wait is said all the same.
func TestSpeakerOfALongText(t *testing.T) {
	var out strings.Builder
	s := &speaker{to: &out}
	text := strings.Repeat("x", 2*speakerBytes)
	s.say(text)
	s.finish(wait.Limit)
	if out.String() != text+"\n" {
		t.Errorf("got %d bytes", out.Len())
	}
}

// Many who speak at once are heard each in its order.
func TestSpeakersAtOnce(t *testing.T) {
	var out strings.Builder
	s := &speaker{to: &out}
	done := make(chan struct{})
	for i := range 4 {
		go func() {
			for n := range 200 {
				s.say(fmt.Sprint(i, " ", n))
			}
			done <- struct{}{}
		}()
	}
	for range 4 {
		wait.Receive(t, "a speaker", done)
	}
	s.finish(wait.Limit)
	var next [4]int
	for line := range strings.Lines(out.String()) {
		var i, n int
		if _, err := fmt.Sscan(line, &i, &n); err != nil || next[i] != n {
			t.Fatalf("got the line %q, want %d %d", line, i, next[i])
		}
		next[i]++
	}
	if next != [4]int{200, 200, 200, 200} {
		t.Errorf("got %v lines", next)
	}
}
