package monitor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hotline/internal/managertest"
)

// nobody is a user that owns nothing.
const nobody = 65534

// TestOtherUser asks as another user: first past the modes of directory and socket, then with these opened.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a process as another user")
	}
	f := managertest.New(1)
	a := serve(t, f, nil)
	program := filepath.Join(shortDir(t), "probe") // where that user can run it
	if err := copyProgram(program); err != nil {
		t.Fatal(err)
	}
	ask := func() string {
		cmd := exec.Command(program)
		cmd.Env = []string{probeVariable + "=" + a.dir}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if got := ask(); !strings.Contains(got, "permission denied") {
		t.Errorf("past the modes: got %s", got)
	}
	for path, mode := range map[string]os.FileMode{a.dir: 0o755, filepath.Join(a.dir, Socket): 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	got := ask()
	if !strings.HasPrefix(got, "HTTP/1.1 403 Forbidden\r\n") ||
		!strings.Contains(got, "this manager is user 0's, and you are user 65534: run the command as that user, or as root") {
		t.Errorf("with the modes open: got %s", got)
	}
	if log := a.log.String(); !strings.Contains(log, `"uid":65534`) || !strings.Contains(log, "connection refused") {
		t.Errorf("the log is %s", log)
	}
	a.answers(t)
}

// copyProgram copies the test's own program for all users to run.
func copyProgram(to string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err == nil {
		err = os.Chmod(filepath.Dir(to), 0o755)
	}
	return err
}
