package registry_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotline/registry"
)

func TestLifeOfAnEntry(t *testing.T) {
	d := open(t)
	e := register(t, d, "echo_serv", "5555", "1.2.3")
	i := e.Instance()
	if i.State != registry.Starting || i.PID != os.Getpid() || i.Key() != "echo_serv@1" || i.ID == "" {
		t.Errorf("registered as %+v", i)
	}
	addresses := []string{"unix://" + e.SocketPath("unix"), "tcp://127.0.0.1:5555"}
	if err := e.Update(registry.Ready, addresses); err != nil {
		t.Fatal(err)
	}
	addresses[0] = "the entry keeps its own"
	for _, key := range []string{"5555", "echo_serv", "echo_serv@1"} {
		if diff := cmp.Diff([]registry.Instance{e.Instance()}, lookup(t, d, key)); diff != "" {
			t.Errorf("Lookup(%s), -entry +found:\n%s", key, diff)
		}
	}
	for _, key := range []string{"555", "echo", "echo_serv@2", "echo_serv@1.2.3", "", "*", "../x", i.ID} {
		if got := lookup(t, d, key); len(got) != 0 {
			t.Errorf("Lookup(%q): got %s, want nothing", key, keys(got))
		}
	}
	l, err := net.Listen("unix", e.SocketPath("unix"))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if left := files(t, d); len(left) != 0 {
		t.Errorf("Close left %q", left)
	}
	if err := e.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := e.Update(registry.Draining, nil); err == nil {
		t.Error("Update after Close: got no error")
	}
	if got := lookup(t, d, "5555"); len(got) != 0 {
		t.Errorf("Lookup after Close: got %s", keys(got))
	}
}

func TestConflicts(t *testing.T) {
	tests := []struct {
		name, port, version string
		want                string // part of the error
	}{
		{"echo_serv", "5555", "1.0.0", ""},
		{"echo_serv", "5555", "1.7", ""},
		{"other", "5556", "1.0.0", ""},
		{"echo_serv", "5556", "2.0.0", ""},
		{"other", "5555", "1.0.0", "port 5555 is held by echo_serv@1"},
		{"echo_serv", "5555", "2.0.0", "port 5555 is held by echo_serv@1"},
		{"echo_serv", "6666", "1.9", "the name is held by echo_serv@1 on port 5555"},
	}
	for _, test := range tests {
		d := open(t)
		holder := register(t, d, "echo_serv", "5555", "1.0.0")
		e, err := d.Register(registry.Instance{Name: test.name, Port: test.port, Version: test.version})
		if test.want == "" {
			if err != nil {
				t.Errorf("%v: %v", test, err)
				continue
			}
			e.Close()
			continue
		}
		var conflict *registry.ConflictError
		if !errors.As(err, &conflict) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v", test, err)
			continue
		}
		if diff := cmp.Diff(holder.Instance(), conflict.Holder); diff != "" {
			t.Errorf("%v: -holder +named:\n%s", test, diff)
		}
		holder.Close()
		register(t, d, test.name, test.port, test.version)
	}
}

func TestLookupIsSorted(t *testing.T) {
	d := open(t)
	register(t, d, "b", "7", "10.0.0")
	register(t, d, "b", "8", "9.0.0")
	register(t, d, "c", "b", "1") // its port is a word that is the name of another
	register(t, d, "a", "9", "")
	register(t, d, "a", "9", "0.4")
	all, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := keys(all), "a@0:9 a@0:9 b@9:8 b@10:7 c@1:b"; got != want {
		t.Errorf("List: got %s, want %s", got, want)
	}
	if all[0].Started.After(all[1].Started) {
		t.Error("List: the younger one is first")
	}
	if got, want := keys(lookup(t, d, "b")), "c@1:b"; got != want {
		t.Errorf("Lookup(b): got %s, want %s: a port goes before a name", got, want)
	}
	if got, want := keys(lookup(t, d, "b@10")), "b@10:7"; got != want {
		t.Errorf("Lookup(b@10): got %s, want %s", got, want)
	}
}

func TestNamesPortsVersions(t *testing.T) {
	good := []registry.Instance{
		{Name: "a", Port: "1"}, {Name: "_x.y-Z9", Port: "65535", Version: "1"},
		{Name: strings.Repeat("n", 64), Port: strings.Repeat("p", 32), Version: "0.0.1"},
		{Name: "CON", Port: "echo-x-y", Version: "12.34.56"},
	}
	bad := []registry.Instance{
		{Name: "", Port: "1"}, {Name: "5555", Port: "1"}, {Name: "a/b", Port: "1"}, {Name: "..", Port: "1"},
		{Name: "é", Port: "1"}, {Name: "a@1", Port: "1"}, {Name: "a b", Port: "1"}, {Name: "a\x00", Port: "1"},
		{Name: strings.Repeat("n", 65), Port: "1"},
		{Name: "a", Port: ""}, {Name: "a", Port: "0"}, {Name: "a", Port: "65536"}, {Name: "a", Port: "05555"},
		{Name: "a", Port: "-1"}, {Name: "a", Port: "1.5"}, {Name: "a", Port: "99999999999999999999"},
		{Name: "a", Port: "a/b"}, {Name: "a", Port: "a.b"}, {Name: "a", Port: "12a"}, {Name: "a", Port: "ß"},
		{Name: "a", Port: strings.Repeat("p", 33)},
		{Name: "a", Port: "1", Version: "x"}, {Name: "a", Port: "1", Version: "1.2.3.4"},
		{Name: "a", Port: "1", Version: "01"}, {Name: "a", Port: "1", Version: "1."},
		{Name: "a", Port: "1", Version: "-1"}, {Name: "a", Port: "1", Version: "99999999999"},
		{Name: "a", Port: "1", Version: "v1"}, {Name: "a", Port: "1", Version: "1/2"},
	}
	d := open(t)
	for _, i := range good {
		e, err := d.Register(i)
		if err != nil {
			t.Errorf("Register(%+v): %v", i, err)
			continue
		}
		if got := lookup(t, d, i.Key()); len(got) != 1 || got[0].Port != i.Port {
			t.Errorf("Lookup(%s): got %s", i.Key(), keys(got))
		}
		e.Close()
	}
	for _, i := range bad {
		if e, err := d.Register(i); err == nil {
			t.Errorf("Register(%+v): got no error", i)
			e.Close()
		}
	}
	if left := files(t, d); len(left) != 0 {
		t.Errorf("refused registrations left %q", left)
	}
}

func TestUpdateTooLarge(t *testing.T) {
	d := open(t)
	e := register(t, d, "a", "1", "")
	if err := e.Update(registry.Ready, []string{strings.Repeat("x", 64<<10)}); err == nil {
		t.Error("got no error for an entry that no reader would take")
	}
	if got := lookup(t, d, "a"); len(got) != 1 || got[0].State != registry.Starting {
		t.Errorf("after it: got %+v, want the entry as it was", got)
	}
	if _, err := os.Stat(filepath.Join(d.Path(), "1-"+e.Instance().ID+".json.tmp")); err == nil {
		t.Error("it left a half file")
	}
}
