package registry_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"hotline/internal/wait"
	"hotline/registry"
)

// other is a user that this test is not.
const other = 65534

// startAs starts a helper as the other user.
func startAs(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.Command("/proc/self/exe") // which that user may not find by its path
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: other, Gid: other}}
	return startCommand(t, cmd, args)
}

func root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can grant")
	}
}

func grant(t *testing.T, d *registry.Dir, name, port string) *registry.Grant {
	t.Helper()
	g, err := d.Grant(other, other, []registry.Instance{{Name: name, Port: port, Version: "1.0.0"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// What another user serves is seen where it was granted, for as long as that holds, and nothing else of that user's.
func TestGrant(t *testing.T) {
	root(t)
	d := open(t)
	g := grant(t, d, "echo_serv", "5555")
	mine := startAs(t, g.Path(), "echo_serv", "5555")
	id := strings.TrimPrefix(mine.says(t), "ready ")
	startAs(t, g.Path(), "payments", "6666").says(t)
	all, err := d.List()
	if err != nil || len(all) != 1 || all[0].ID != id || all[0].PID != mine.cmd.Process.Pid ||
		!slices.Equal(all[0].Addresses, []string{"unix://" + filepath.Join(g.Path(), "5555-"+id+".unix")}) {
		t.Fatalf("got %+v, %v", all, err)
	}
	// One that is no other's service lives beside it; one that is, is refused, and so is a grant.
	beside := register(t, d, "echo_serv", "5555", "1.2")
	if got := lookup(t, d, "echo_serv"); len(got) != 2 {
		t.Errorf("with one of root's: got %s", keys(got))
	}
	if err := beside.Close(); err != nil {
		t.Error(err)
	}
	var conflict *registry.ConflictError
	if _, err := d.Register(registry.Instance{Name: "rival", Port: "5555"}); !errors.As(err, &conflict) || conflict.Holder.ID != id {
		t.Errorf("on a granted port: got %v", err)
	}
	register(t, d, "held", "7777", "1")
	if _, err := d.Grant(other, other, []registry.Instance{{Name: "rival", Port: "7777"}}); !errors.As(err, &conflict) {
		t.Errorf("a grant of a port that is held: got %v", err)
	}
	if _, err := d.Grant(other, other, []registry.Instance{{Name: "a b", Port: "1"}}); err == nil {
		t.Error("a grant of a bad name: got no error")
	}
	mine.kill()
	if got := lookup(t, d, "echo_serv"); len(got) != 0 {
		t.Errorf("after SIGKILL: got %s", keys(got))
	}
	startAs(t, g.Path(), "echo_serv", "5555").says(t)
	if got := lookup(t, d, "5555"); len(got) != 1 {
		t.Errorf("the next one: got %s", keys(got))
	}
	if err := errors.Join(g.Close(), g.Close()); err != nil {
		t.Error(err)
	}
	if got := lookup(t, d, "5555"); len(got) != 0 {
		t.Errorf("after the end of the grant: got %s", keys(got))
	}
	if _, err := os.Lstat(g.Path()); err == nil {
		t.Errorf("%s was left", g.Path())
	}
}

// A FIFO in place of an entry, which another user may make, does not hold up those who look.
func TestFIFOForAnEntry(t *testing.T) {
	for _, whose := range []string{"own", "granted"} {
		t.Run(whose, func(t *testing.T) {
			d := open(t)
			dir, id := d.Path(), ""
			if whose == "own" {
				id = register(t, d, "echo_serv", "5555", "1").Instance().ID
			} else {
				root(t)
				dir = grant(t, d, "echo_serv", "5555").Path()
				id = strings.TrimPrefix(startAs(t, dir, "echo_serv", "5555").says(t), "ready ")
			}
			path := filepath.Join(dir, "5555-"+id+".json")
			if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			wait.Return(t, "List", func() {
				if all, err := d.List(); err != nil || len(all) != 0 {
					t.Errorf("got %s, %v, want none", keys(all), err)
				}
			})
		})
	}
}

// A stamp differs when an instance of another user has come.
func TestStampOfGrants(t *testing.T) {
	root(t)
	d := open(t)
	g := grant(t, d, "echo_serv", "5555")
	var before, again registry.Stamp
	settled := func() bool {
		var err1, err2 error
		before, err1 = d.Stamp()
		again, err2 = d.Stamp()
		return errors.Join(err1, err2) == nil && before == again
	}
	wait.Until(t, "a stamp that stays", settled)
	startAs(t, g.Path(), "echo_serv", "5555").says(t)
	after, err := d.Stamp()
	if err != nil || after == before {
		t.Errorf("got the stamp of before, %v", err)
	}
}

// What a killed manager's grants have left is swept; what is not a grant's stays.
func TestSweepOfGrants(t *testing.T) {
	root(t)
	d := open(t)
	g := grant(t, d, "echo_serv", "5555")
	left := []string{"6666.gone@1.abcdefgh.u12345", "u12345", "u12345/file"}
	kept := []string{"u012345", "u777", "6666.gone@1.abcdefgh.u012345", filepath.Base(g.Path())}
	for _, name := range append(left, kept...) {
		path := filepath.Join(d.Path(), name)
		var err error
		switch {
		case name == filepath.Base(g.Path()):
		case strings.HasPrefix(name, "u") && !strings.Contains(name, "/"):
			err = os.Mkdir(path, 0o700)
		default:
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(d.Path(), "u12345"), 12345, 12345); err != nil { // u777 is root's
		t.Fatal(err)
	}
	if _, err := d.Sweep(); err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if _, err := os.Lstat(filepath.Join(d.Path(), name)); err == nil {
			t.Errorf("%s was left", name)
		}
	}
	for _, name := range kept {
		if _, err := os.Lstat(filepath.Join(d.Path(), name)); err != nil {
			t.Errorf("%s was removed: %v", name, err)
		}
	}
	if all, err := filepath.Glob(filepath.Join(d.Path(), fmt.Sprint("*.u", other))); err != nil || len(all) != 1 {
		t.Errorf("the grant that holds has the files %v, %v", all, err)
	}
}
