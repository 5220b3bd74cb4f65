package doctor

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"

	"hotline/internal/worker"
	"hotline/registry"
)

// TestWorkers looks at processes that look like workers: of this manager, of another one, of another directory, and at one that
// is none.
func TestWorkers(t *testing.T) {
	dir := t.TempDir()
	start := func(env ...string) int {
		t.Helper()
		cmd := exec.Command("cat")
		cmd.Env = env
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			in.Close()
			cmd.Wait()
		})
		if _, err := io.WriteString(in, "x"); err != nil { // when it is back the process has its own environment
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		return cmd.Process.Pid
	}
	one := start(worker.Env+"={}", "HOTLINE_DIR="+dir)
	other := start(worker.Env+"={}", "HOTLINE_DIR="+dir+"/u7")
	all := []registry.Instance{
		{PID: one, Name: "a", Version: "1", Port: "1"}, {PID: one, Name: "b", Version: "1", Port: "2"},
		{PID: other, Name: "c", Version: "1", Port: "3"},
		{PID: start(worker.Env+"={}", "HOTLINE_DIR="+dir+"x"), Name: "elsewhere", Port: "4"},
		{PID: start("HOTLINE_DIR=" + dir), Name: "alone", Port: "5"},
		{PID: 1 << 30, Name: "gone", Port: "6"},
	}
	orphans := []string{fmt.Sprintf("pid %d, which serves a@1 on port 1", one), fmt.Sprintf("pid %d, which serves c@1 on port 3", other)}
	for manager, want := range map[int][]string{os.Getpid(): nil, 0: orphans, 1: orphans} {
		var f Facts
		f.workers(dir, manager, all)
		if !slices.Equal(f.Orphans, want) || len(f.OtherNets) > 0 {
			t.Errorf("the manager is %d: got %q and %q, want %q", manager, f.Orphans, f.OtherNets, want)
		}
	}
}
