package logs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"hotline/internal/fulldisk"
	"hotline/internal/wait"
)

// Workers go on when the disk is full, what is lost is counted and said, and no half line is left.
func TestFullDisk(t *testing.T) {
	fulldisk.Run(t, "256k", func(dir string) {
		told := make(chan error, 10)
		l := openIn(t, dir, "echo", &Options{OnError: func(err error) { told <- err }})
		const lines = 5000
		worker(t, l, 1, fmt.Sprintf("count %d before", lines)) // it ends: nothing holds it up
		if err := wait.Receive(t, "the error", told); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("told of %v", err)
		}
		awaitFull(t, l, lines)
		fulldisk.Resize(t, dir, "16m") // someone makes room
		worker(t, l, 2, fmt.Sprintf("count %d behind", lines))
		closeLog(t, l)
		if err := checkFull(l.Path(), lines, l.Lost()); err != nil {
			t.Error(err)
		}
	})
}

// awaitFull waits until all lines of a worker are written or lost, and the file has whole lines only.
func awaitFull(t *testing.T, l *Log, lines int) {
	t.Helper()
	wait.Until(t, "all lines to be written or lost", func() bool {
		text, err := os.ReadFile(l.Path())
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(text, lineEnd)-bytes.Count(text, []byte(`"lost":`))+int(l.Lost()) == lines && bytes.HasSuffix(text, lineEnd)
	})
}

// checkFull accounts for the lines of both workers.
func checkFull(path string, lines int, lost uint64) error {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer f.Close()
	next, count, said := [3]int{}, [3]int{}, uint64(0) // by worker
	for in := bufio.NewScanner(f); in.Scan(); {
		r := Parse(in.Bytes())
		var n int
		switch {
		case !r.Readable:
			return fmt.Errorf("there is the line %q", r.Line)
		case r.Stream == Manager:
			if _, err := fmt.Sscanf(r.Message, "%d lines were lost: write "+path+": no space left on device", &n); err != nil {
				return fmt.Errorf("%s: %w", r.Message, err)
			}
			said += uint64(n)
		default:
			var name string
			if _, err := fmt.Sscan(r.Message, &name, &n); err != nil || n < next[r.Worker] {
				return fmt.Errorf("behind line %d of worker %d comes %s: %w", next[r.Worker]-1, r.Worker, r.Line, err)
			}
			next[r.Worker] = n + 1
			count[r.Worker]++
		}
	}
	if lost == 0 || said != lost || count[1]+int(lost) != lines || count[2] != lines {
		return fmt.Errorf("%d lines before and %d behind, of %d; %d are counted as lost, %d said", count[1], count[2], lines, lost, said)
	}
	return nil
}
