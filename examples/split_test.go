package examples_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestSplitByAddress runs one program as a whole, as two processes, and as two that share nothing but addresses. It says the same each
// time.
func TestSplitByAddress(t *testing.T) {
	const (
		texts = "A cat.\nTwo cats, and dogs!\n?cat\n? dogs cats\n?and cow\n"
		want  = "cat [1 2]\ndogs cats [2]\nand cow []\n"
	)
	near := "shm"
	if runtime.GOOS != "linux" {
		near = "unix"
	}
	ask := func(t *testing.T, p *place, tokenizer string, args ...string) { // who says where it found the tokenizer
		t.Helper()
		out, errs, err := p.run(t, texts, "split/program", append(args, "-ask")...)
		if out != want || err != nil {
			t.Errorf("got %q, %q, %v, want %q", out, errs, err, want)
		}
		if is := fmt.Sprintf("index: inproc://, tokenizer: %s\n", tokenizer); errs != is {
			t.Errorf("got %q, want %q", errs, is)
		}
	}
	t.Run("one process", func(t *testing.T) { ask(t, newPlace(t), "inproc://") })
	t.Run("two processes", func(t *testing.T) {
		p := newPlace(t)
		s := p.serve(t, 1, "split/program", "-index", "auto://")
		address, ok := p.address(t, near)
		if !ok {
			t.Fatalf("the tokenizer is not reached by %s", near)
		}
		ask(t, p, address, "-tokenizer", "auto://")
		s.stop(t)
	})
	t.Run("two addresses", func(t *testing.T) {
		here, there := newPlace(t), newPlace(t) // two runtime directories, as of two machines
		a, b := loopback(1), loopback(2)
		s := there.serve(t, 1, "split/program", "-listen", a, "-index", "tcp://"+b)
		ask(t, here, "tcp://"+a+":5571", "-listen", b, "-tokenizer", "tcp://"+a)
		s.stop(t)
	})
	t.Run("no tokenizer", func(t *testing.T) {
		_, errs, err := newPlace(t).run(t, texts, "split/program", "-tokenizer", "auto://", "-ask")
		if exitCode(err) != 1 || !strings.Contains(errs, "no service tokenizer") {
			t.Errorf("got %q, %v", errs, err)
		}
	})
}

// loopback returns an address of this machine that is this test's own, where there are several: the services have fixed ports.
func loopback(n int) string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 100+n, pid>>8&0xff, pid&0xff|1)
}
