package doctor

import (
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hotline/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// healthy returns the facts of a machine without a fault.
func healthy() *Facts {
	return &Facts{
		OS: "linux", Kernel: "6.1.0-18-amd64", Features: map[string]error{"memfd_create": nil, "futex": nil}, CPUs: 8, Procs: 8,
		Quota: math.Inf(1), Files: Limit{1024, 1 << 20}, Locked: Limit{8 << 20, 8 << 20}, LongestWay: 40, MaxWay: 107,
		Dir:       Place{Path: "/run/user/1000/hotline", Mode: 0o700, System: "tmpfs", Free: 1 << 30},
		Temporary: Place{Path: "/tmp", Mode: 0o777, System: "ext4", Free: 1 << 40}, Manager: "pid 7 runs /etc/service.ini",
	}
}

func TestHealthy(t *testing.T) {
	findings := healthy().Findings()
	for _, f := range findings {
		if f.Severity != OK || f.Found == "" || f.Mend != "" {
			t.Errorf("a healthy machine: %+v", f)
		}
	}
	if Worst(findings) != OK || len(findings) != 11 {
		t.Errorf("a healthy machine: %d findings, the worst is %s", len(findings), Worst(findings))
	}
}

// TestFindings spoils one thing of a healthy machine at a time.
func TestFindings(t *testing.T) {
	for _, c := range []struct {
		spoil    func(*Facts)
		severity Severity
		found    string // and what is to be done, behind a '|'
	}{
		{func(f *Facts) { f.OS = "darwin" }, Warning, "shm:// and named locks are for Linux|use unix://"},
		{func(f *Facts) { f.Kernel = "3.10.0-1160.el7" }, Error, "has no memfd_create, which came with 3.17|use a kernel from 3.17"},
		{func(f *Facts) { f.Kernel = "4.4.0" }, Note, "the tests run on later ones|from 5.0 on"},
		{func(f *Facts) { f.Kernel = "" }, Note, "this version can't be read|uname -r"},
		{func(f *Facts) { f.Features["futex"] = os.ErrPermission }, Error, "permission denied): shm:// and named locks can't wait|if a seccomp profile"},
		{func(f *Facts) { f.CPUs, f.Procs = 1, 1 }, Warning, "two processes can't run at once|give it two CPUs"},
		{func(f *Facts) { f.Quota = 1.5 }, Warning, "the control group allows 1.5: caller and worker share|raise the CPU quota"},
		{func(f *Facts) { f.Quota, f.ProcsSet = 3.5, "8" }, Warning, `the kernel stops the whole process|unset GOMAXPROCS (it is "8"), or set it to 4`},
		{func(f *Facts) { f.Files = Limit{256, 256} }, Error, "256 open files, 256 at most: a few hundred|ulimit -n 65536"},
		{func(f *Facts) { f.Files = Limit{1024, 4096} }, Warning, "1024 open files, 4096 at most: some thousand|LimitNOFILE=65536"},
		{func(f *Facts) { f.Locked.Soft = 0 }, Note, "0 KiB: hotline locks none|LimitMEMLOCK=infinity"},
		{func(f *Facts) { f.OwnPIDs = true }, Note, "its own namespace of pids: it is in a container|share the runtime directory"},
		{func(f *Facts) { f.OwnPIDs, f.OwnUsers = true, true }, Note, "pids and users|both sides need the same user"},
		{func(f *Facts) {
			f.DirError = errors.New("registry: open /x: it is a symlink: set HOTLINE_DIR to the directory itself")
		}, Error, "it is a symlink|see there"},
		{func(f *Facts) { f.Dir.Mode = 0o755 }, Warning, "mode 0755, on tmpfs: others can see|run chmod 700 /run/user/1000/hotline"},
		{func(f *Facts) { f.Dir.System = "nfs" }, Warning, "on nfs: sockets and locks work on one machine only|set HOTLINE_DIR"},
		{func(f *Facts) { f.Dir.System = "msdos" }, Error, "on msdos, which has no sockets|set HOTLINE_DIR"},
		{func(f *Facts) { f.LongestWay = 108 }, Error, "the longest has 108 bytes, this system takes 107|something shorter"},
		{func(f *Facts) { f.Temporary = Place{} }, Error, "there is none|set TMPDIR"},
		{func(f *Facts) { f.Temporary.NoExec = true }, Error, "mounted noexec|set GOTMPDIR or TMPDIR"},
		{func(f *Facts) { f.Temporary.Free = 100 << 20 }, Warning, "100.0 MiB free: a program|make room"},
		{func(f *Facts) { f.Temporary.Free = 1 << 20 }, Error, "1.0 MiB free|make room"},
		{func(f *Facts) { f.Manager = "" }, Note, "none runs here|hotline serve"},
		{func(f *Facts) { f.Manager, f.StaleControl = "", true }, Warning, "the control socket of one is there that was killed|nothing needs to be done"},
		{func(f *Facts) { f.Manager, f.ManagerError = "", errors.New("no answer") }, Error, "no answer|see its output"},
		{func(f *Facts) { f.Orphans = []string{"pid 7, which serves a@1 on port 1"} }, Warning,
			"pid 7, which serves a@1 on port 1: the manager that started it is gone|stop it by its pid"},
		{func(f *Facts) { f.OtherNets = []string{"pid 7, which serves a@1 on port 1"} }, Note, "in another network namespace|shm:// or unix://"},
		{func(f *Facts) { f.Dead = []string{"a@1", "b@1"} }, Note, "a@1, b@1|nothing needs to be done"},
		{func(f *Facts) { f.DeadError = errors.New("too many open files") }, Warning, "too many open files|see there"},
		{func(f *Facts) { f.OldLogs = strings.Fields("1 2 3 4 5 6 7") }, Note, "1, 2, 3, 4, 5 and 2 more|for 30 days"},
		{func(f *Facts) { f.OldBuilds = []string{"/tmp/hotline-build-1"} }, Note, "/tmp/hotline-build-1|the next manager"},
	} {
		f := healthy()
		c.spoil(f)
		found, mend, _ := strings.Cut(c.found, "|")
		var bad []Finding
		for _, v := range f.Findings() {
			if v.Severity != OK {
				bad = append(bad, v)
			}
		}
		if len(bad) != 1 || bad[0].Mend == "" || bad[0].Severity != c.severity || !strings.Contains(bad[0].Found, found) || !strings.Contains(bad[0].Mend, mend) {
			t.Errorf("got %+v, want one %s: %q, %q", bad, c.severity, found, mend)
		}
	}
}

// TestLook looks at this machine, and at leftovers that are put there.
func TestLook(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("sockets and locks are other files on windows")
	}
	base, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	dir, scratch := filepath.Join(base, "run"), filepath.Join(base, "tmp")
	for _, d := range []string{filepath.Join(dir, "logs"), filepath.Join(scratch, "hotline-build-1")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOTMPDIR", "")
	t.Setenv("TMPDIR", scratch)
	log := filepath.Join(dir, "logs", "Old.log")
	for _, name := range []string{log, filepath.Join(dir, "logs", "New.log"), filepath.Join(scratch, "hotline-build-1", "lock")} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(log, time.Time{}, time.Now().Add(-2*OldAfter)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"5555-abcdefgh.echo@1.lock": "", "5555-abcdefgh.json": "{}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, monitor.Socket)})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	f := Look(t.Context(), dir)
	if len(f.OldLogs) != 1 || f.OldLogs[0] != log || len(f.OldBuilds) != 1 || len(f.Dead) != 1 || f.Dead[0] != "echo@1 on port 5555" ||
		!f.StaleControl || f.Manager != "" || f.ManagerError != nil || f.DirError != nil || f.Dir.Mode.Perm() != 0o700 {
		t.Errorf("got %+v", f)
	}
	if f.CPUs < 1 || f.Procs < 1 || f.LongestWay < len(dir) || f.MaxWay < 50 || f.Temporary.Path != scratch {
		t.Errorf("got %+v", f)
	}
	if runtime.GOOS == "linux" {
		for name, err := range f.Features {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if f.Kernel == "" || f.Files.Soft == 0 || f.Dir.System == "" || f.Dir.Free == math.MaxUint64 {
			t.Errorf("got %+v", f)
		}
	}
	if f := Look(t.Context(), log); f.DirError == nil || Worst(f.Findings()) != Error {
		t.Errorf("a file as the directory: got %+v", f)
	}
}
