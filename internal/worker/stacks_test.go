//go:build unix

package worker

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"hotline/internal/wait"
)

func TestStacksAreCut(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	for range 100 {
		go func() { <-hold }()
	}
	if got := stacks(maxStacks); strings.Count(got, "goroutine ") < 100 || strings.Contains(got, "and more") {
		t.Errorf("stacks: got %d bytes without all goroutines:\n%.300s", len(got), got)
	}
	if got := stacks(3000); len(got) > 3200 || !strings.Contains(got, "... and more: there are 1") {
		t.Errorf("stacks(3000): got %d bytes, at the end %q", len(got), got[max(0, len(got)-150):])
	}
	quotes := &Message{Event: Stacks, Text: strings.Repeat("\n\t", maxStacks/2-100)}
	if _, err := encode(quotes); err != nil {
		t.Errorf("the longest stacks: %v", err)
	}
}

// talk returns the manager's end of a channel with a reader in Next, and the other end.
func talk(t *testing.T) (*Control, *os.File) {
	t.Helper()
	c, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			if _, err := c.Next(); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		theirs.Close()
		c.Close()
		reading.Wait()
	})
	return c, theirs
}

func TestStacksAnswered(t *testing.T) {
	c, theirs := talk(t)
	s := &Settings{channel: channel{file: theirs, done: make(chan struct{}), gone: make(chan struct{})}}
	s.Done()
	if _, err := theirs.WriteString(`{"event":"stacks","answer":77,"text":"nobody asked"}` + "\n"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			text, err := c.Stacks(t.Context())
			if err != nil || !strings.Contains(text, "TestStacksAnswered") {
				t.Errorf("Stacks: got %.100q, %v", text, err)
			}
		})
	}
	all.Wait()
	select {
	case <-s.Done():
		t.Error("a question for stacks was taken for the end")
	default:
	}
	c.Close()
	wait.Receive(t, "the end, when the manager closes its side", s.Gone())
}

// A worker tells a manager that asks it to stop from one that is gone.
func TestOrphaned(t *testing.T) {
	for _, stop := range []bool{true, false} {
		c, theirs := talk(t)
		s := &Settings{channel: channel{file: theirs, done: make(chan struct{}), gone: make(chan struct{}), life: life{parent: os.Getppid()}}}
		end := c.Close
		if stop {
			end = c.Stop
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		wait.Receive(t, "the end of the channel", s.Gone())
		if s.orphaned() == stop {
			t.Errorf("asked to stop: %v; orphaned: %v", stop, !stop)
		}
	}
}

// A worker that hears the order and does not answer is told from one that has ended.
func TestStacksNotAnswered(t *testing.T) {
	c, theirs := talk(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	errs := make(chan error, 2)
	go func() {
		_, err := c.Stacks(ctx)
		errs <- err
	}()
	in := bufio.NewReader(theirs)
	if line, err := readLine(in); err != nil || !strings.Contains(string(line), `"stacks":1`) {
		t.Fatalf("the order: got %q, %v", line, err)
	}
	late := errors.New("too late")
	cancel(late)
	if err := wait.Receive(t, "the error of who gave up", errs); !errors.Is(err, late) || !strings.Contains(err.Error(), "did not tell") {
		t.Errorf("after the end of its context: got %v", err)
	}
	go func() {
		_, err := c.Stacks(t.Context())
		errs <- err
	}()
	if _, err := readLine(in); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if err := wait.Receive(t, "the error when the worker has ended", errs); err == nil || !strings.Contains(err.Error(), "ended before") {
		t.Errorf("after the worker's end: got %v", err)
	}
	if _, err := c.Stacks(t.Context()); err == nil {
		t.Error("of a worker that has ended: got no error")
	}
}
