package fulldisk

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// variable has the directory, in the process that has the file system.
const variable = "HOTLINE_TEST_FULL_DISK"

// Run runs the test again, in a process of its own that sees a file system of that size, such as 256k, in the directory that is
// given to do. All that Run stands for in the test is that call: do reports to the same t. The test is skipped where
// no process may have its own mounts.
func Run(t *testing.T, size string, do func(dir string)) {
	t.Helper()
	if dir := os.Getenv(variable); dir != "" {
		mount(t, dir, size)
		do(dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	said, err := cmd.CombinedOutput()
	switch exit := (*exec.ExitError)(nil); {
	case err != nil && !errors.As(err, &exit):
		t.Skip("no mount namespaces here:", err)
	case err == nil && strings.Contains(string(said), "--- SKIP: "+t.Name()):
		t.Skipf("%s", said)
	case err != nil || !strings.Contains(string(said), "--- PASS: "+t.Name()):
		t.Errorf("%v: %s", err, said)
	}
}

// mount puts the file system into the directory, for this process and its children. It goes with them.
func mount(t *testing.T, dir, size string) {
	t.Helper()
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		t.Skip("the mounts can't be made private:", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("no tmpfs of our own:", err)
	}
}

// Resize gives the file system in the directory of Run another size.
func Resize(t *testing.T, dir, size string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size="+size); err != nil {
		t.Fatal(err)
	}
}
