package manager

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hotline/internal/logs"
	"hotline/internal/wait"
)

// Memory that processes share is counted by its share: four that have the same 64 MiB have a quarter of it each.
func TestSharedMemoryIsCountedByShare(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip("there is no PSS here:", err)
	}
	l := newLab(t)
	fd, err := unix.MemfdCreate("shared", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	shared := os.NewFile(uintptr(fd), "shared")
	defer shared.Close()
	if _, err := shared.Write(make([]byte, sharedSize)); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for range 4 {
		cmd := exec.Command(filepath.Join(l.path, l.program("share", "a", "1")))
		cmd.ExtraFiles, cmd.Stderr = []*os.File{shared}, os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			in.Close()
			cmd.Wait()
		})
		wait.Return(t, "the process to have read the memory", func() { _, err = io.ReadFull(out, make([]byte, 1)) })
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, cmd.Process.Pid)
	}
	for _, pid := range pids {
		pss, err := privateMemory(pid)
		if err != nil {
			t.Fatal(err)
		}
		// A quarter of it, and what a small program has itself.
		if pss < sharedSize/4 || pss > sharedSize*3/4 {
			t.Errorf("a process that shares %d MiB with three others has %d MiB", sharedSize>>20, pss>>20)
		}
	}
}

func TestKilobytes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smaps_rollup")
	const text = "5581-7ffc ---p 00000000 00:00 0    [rollup]\nRss:    91234 kB\nPss:     1234 kB\nPss_Dirty:  99 kB\nBad: x kB\nOther: 7 MB\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		word string
		want int64
		ok   bool
	}{{"Pss:", 1234 << 10, true}, {"Rss:", 91234 << 10, true}, {"Bad:", 0, false}, {"Other:", 0, false}, {"Pss", 0, false}} {
		if n, err := kilobytes(file, c.word); n != c.want || (err == nil) != c.ok {
			t.Errorf("%s: got %d, %v", c.word, n, err)
		}
	}
	if _, err := kilobytes(file+".none", "Pss:"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

// Where the private memory can't be read no worker is replaced by it, and that is said once.
func TestMemoryThatCantBeRead(t *testing.T) {
	l := newLab(t)
	m := l.manager(l.config("[defaults]\nlog_dir = logs\n[one]\nbinary = %s\nmin_proc_num = 2\nmax_proc_mem_bytes = 1048576\n",
		l.program("serve", "a", "1")), Options{})
	m.memoryOf = func(*process) (int64, error) { return 0, fmt.Errorf("not told: %w", os.ErrNotExist) } // as by an old kernel
	r := l.runs(m)
	r.until("ready", isReady)
	p := r.allPools()[0]
	for range 3 {
		p.checkLimits(time.Now())
	}
	for _, w := range r.Status()[0].Workers {
		if w.Due != "" {
			t.Errorf("worker %d is to be replaced: %s", w.Number, w.Due)
		}
	}
	r.stop()
	said := 0
	for _, line := range l.records("logs/manager.log") {
		if line.Stream == logs.Manager && strings.Contains(line.Body(), "max_proc_mem_bytes is not heeded") &&
			strings.Contains(line.Body(), "not told") {
			said++
		}
	}
	if said != 1 {
		t.Errorf("it was said %d times", said)
	}
}
