package launch

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"hotline/manager/internal/procgroup"
)

// The manager takes its workers along out of its cgroup, and their children, and nobody else.
func TestWhoseProcessIs(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "sleep 1000 & echo $!; wait")
	procgroup.Own(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer procgroup.Kill(cmd)
	var grandchild int
	if _, err := fmt.Fscan(out, &grandchild); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who  string
		pid  int
		want bool
	}{
		{"this process", os.Getpid(), true},
		{"its child", cmd.Process.Pid, true},
		{"its child's child", grandchild, true},
		{"its parent", os.Getppid(), false},
		{"init", 1, false},
		{"nobody, any more", 1 << 30, true},
	} {
		if got := isOurs(strconv.Itoa(c.pid)); got != c.want {
			t.Errorf("%s: got %v, want %v", c.who, got, c.want)
		}
	}
	if isOurs("x") {
		t.Error("what is no pid is a process of the manager's")
	}
}
