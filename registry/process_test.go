package registry_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hotline/registry"
)

func TestKilledProcessIsForgotten(t *testing.T) {
	d := open(t)
	kept := register(t, d, "echo_serv", "5555", "1")
	p := start(t, d.Path(), "echo_serv", "5555")
	id := strings.TrimPrefix(p.says(t), "ready ")
	if got := lookup(t, d, "5555"); len(got) != 2 {
		t.Fatalf("with the helper: got %s", keys(got))
	}
	socket := filepath.Join(d.Path(), "5555-"+id+".unix")
	leaveSocket(t, socket)
	p.kill()
	if got := lookup(t, d, "5555"); len(got) != 1 || got[0].ID != kept.Instance().ID {
		t.Errorf("after SIGKILL: got %s, want the living one alone", keys(got))
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Errorf("a lookup removed something: %v", err)
	}
	if died, err := d.Dead(); err != nil || len(died) != 1 || died[0] != "echo_serv@1 on port 5555" {
		t.Errorf("Dead: got %q, %v", died, err)
	}
	if n, err := d.Sweep(); n != 1 || err != nil {
		t.Errorf("Sweep: got %d, %v, want 1", n, err)
	}
	for _, f := range files(t, d) {
		if strings.Contains(f, id) && !strings.HasSuffix(f, ".seen") {
			t.Errorf("Sweep left %s", f)
		}
	}
	if got := lookup(t, d, "5555"); len(got) != 1 {
		t.Errorf("after Sweep: got %s", keys(got))
	}
	if n, err := d.Sweep(); n != 0 || err != nil {
		t.Errorf("second Sweep: got %d, %v, want 0", n, err)
	}
}

func TestKilledHolderIsReplaced(t *testing.T) {
	d := open(t)
	p := start(t, d.Path(), "echo_serv", "5555")
	p.says(t)
	if _, err := d.Register(registry.Instance{Name: "other", Port: "5555"}); err == nil ||
		!strings.Contains(err.Error(), fmt.Sprint("pid ", p.cmd.Process.Pid)) {
		t.Errorf("beside a living holder: got %v, want its pid", err)
	}
	p.kill()
	register(t, d, "other", "5555", "1")
	for _, f := range files(t, d) {
		if strings.Contains(f, "echo_serv") {
			t.Errorf("registering on the port left %s of the dead holder", f)
		}
	}
}

// A program that the instance starts, and that outlives it, must not keep its lock.
func TestChildDoesNotHoldTheLock(t *testing.T) {
	d := open(t)
	p := start(t, d.Path(), "echo_serv", "5555", "600")
	var pid int
	if _, err := fmt.Sscanf(p.says(t), "child %d", &pid); err != nil {
		t.Skip("no sleep command here:", err)
	}
	child, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer child.Kill()
	p.says(t)
	p.cmd.Process.Kill()
	p.cmd.Process.Wait()
	if got := lookup(t, d, "5555"); len(got) != 0 {
		t.Errorf("its child lives: got %s, want nothing", keys(got))
	}
}

func TestManyProcessesAtOnce(t *testing.T) {
	const each = 8
	d := open(t)
	// Half of them want the same port for the same service, the rest compete for one port with different names.
	var same, rivals []*process
	for n := range each {
		same = append(same, start(t, d.Path(), "echo_serv", "5555"))
		rivals = append(rivals, start(t, d.Path(), fmt.Sprint("rival", n), "6666"))
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				all, err := d.List()
				if err != nil {
					t.Error(err)
					return
				}
				for _, i := range all {
					if i.State == registry.Ready && len(i.Addresses) != 1 {
						t.Errorf("read half an entry: %+v", i)
					}
				}
				if _, err := d.Sweep(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, p := range same {
		if got := p.says(t); !strings.HasPrefix(got, "ready") {
			t.Errorf("echo_serv: %s", got)
		}
	}
	won := 0
	for _, p := range rivals {
		got := p.says(t)
		if strings.HasPrefix(got, "ready") {
			won++
		} else if !strings.Contains(got, "port 6666 is held by rival") {
			t.Errorf("rival: %s", got)
		}
	}
	if won != 1 {
		t.Errorf("%d rivals have the port, want 1", won)
	}
	close(stop)
	readers.Wait()
	if got := len(lookup(t, d, "5555")); got != each {
		t.Errorf("Lookup: got %d instances, want %d", got, each)
	}
	for n, p := range append(same, rivals...) {
		if n%2 == 0 {
			p.kill()
		} else {
			p.close()
			p.cmd.Wait()
		}
	}
	if got, err := d.List(); err != nil || len(got) != 0 {
		t.Errorf("when all have ended: got %s, %v", keys(got), err)
	}
}

func leaveSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}
