//go:build unix

package manager

import (
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotline/internal/wait"
)

// files returns the sizes of all files and directories of the lab by their paths; that of a log's current file is 0, and not all
// are there that come and go with a worker.
func (l *lab) files() map[string]int64 {
	l.t.Helper()
	all := map[string]int64{}
	err := filepath.WalkDir(l.path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == filepath.Join(l.path, "tmp") {
			return filepath.SkipDir
		}
		info, err := d.Info()
		switch rest, ok := strings.CutPrefix(path, filepath.Join(l.path, "run")+"/"); {
		case err != nil:
			return err
		case ok && !strings.HasPrefix(rest, "logs"):
		case d.IsDir() || strings.HasSuffix(path, ".log"):
			all[path] = 0
		default:
			all[path] = info.Size()
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return all
}

// A dry run, and a reload that comes to nothing, leave the files as they were: no older one of a log is removed, and none is made.
func TestReloadThatComesToNothingLeavesFiles(t *testing.T) {
	l := newLab(t)
	a, b := l.program("serve", "a", "1"), l.program("serve", "b", freePort(t))
	crash := l.program("crash", "a", "1")
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, port, err := net.SplitHostPort(other.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	taken := l.program("serve", "c", port)
	r := l.run(l.config("[one]\nbinary = %s\n", a), Options{})
	r.until("ready", isReady)
	logDir := filepath.Join(l.path, "run", "logs")
	for _, log := range []string{"one.log", "manager.log"} {
		for _, stamp := range []string{"20250101T000000.000000Z", "20250102T000000.000000Z", "20250103T000000.000000Z"} {
			if err := os.WriteFile(filepath.Join(logDir, log+"."+stamp), make([]byte, 6<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	const lower = "log_total_bytes = 8388608\n"
	good := "[one]\nbinary = " + a + "\n" + lower + "[two]\nbinary = " + b + "\ntcp_bind = 127.0.0.1\nlog_dir = new/deep\n"
	for _, test := range []struct {
		name, text string
		dry        bool
		want       string // the error
	}{
		{"dry run", good, true, ""},
		{"a port that another program has", good + "[three]\nbinary = " + taken + "\ntcp_bind = 127.0.0.1\n", false,
			"[three] tcp_bind: open the port of c: listen tcp 127.0.0.1:" + port + ": bind: address already in use: if another program has it"},
		{"no directory for a log", good + "[three]\nbinary = " + l.program("serve", "d", "2") + "\nlog_dir = service.ini/logs\n", false,
			"[three] log_dir: make the directory for logs"},
		{"no program", good + "[three]\nbinary = " + l.program("mute", "d", "2") + "\n", true, "[three] binary: "},
		{"a worker that is not ready", "[one]\nbinary = " + crash + "\n" + lower, false, "the new worker ended"},
	} {
		l.write("%s", test.text)
		before, pids := l.files(), r.pids()
		_, err := r.Reload(t.Context(), test.dry, nil)
		switch {
		case test.want == "" && err != nil, test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
		if after := l.files(); !maps.Equal(after, before) {
			t.Errorf("%s: there were the files\n\t%v\nand are\n\t%v", test.name, before, after)
		}
		wait.Until(t, test.name+": the old workers", func() bool { return maps.Equal(r.pids(), pids) })
	}
	l.write("%s", good)
	if _, err := r.Reload(t.Context(), false, nil); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "room for what the log may have", func() bool {
		all, err := filepath.Glob(filepath.Join(logDir, "one.log.2025*"))
		return err == nil && len(all) == 1
	})
	if _, err := os.Stat(filepath.Join(l.path, "new", "deep", "two.log")); err != nil {
		t.Error(err)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	l.isClean()
}

// A port stays open where its service comes to another section, or its address is only written otherwise.
func TestReloadMovesPorts(t *testing.T) {
	l := newLab(t)
	first, second := freePort(t), freePort(t)
	a, b := l.program("serve", "a", first), l.program("serve", "b", second)
	section := func(name, program, host string) string {
		return "[" + name + "]\nbinary = " + program + "\ntcp_bind = " + host + "\n"
	}
	r := l.run(l.config("%s", section("one", a, "127.0.0.1")+section("two", b, "127.0.0.1")), Options{})
	r.until("ready", isReady)
	knock := make(chan struct{})
	asked := make(chan error, 1)
	go func() { // as clients do all the time
		for {
			select {
			case <-knock:
				asked <- nil
				return
			case <-time.After(time.Millisecond):
			}
			c, err := net.Dial("tcp", "127.0.0.1:"+first)
			if err != nil {
				asked <- err
				return
			}
			c.Close()
		}
	}()
	for _, test := range []struct{ name, text, has string }{
		{"a section is renamed", section("uno", a, "127.0.0.1") + section("two", b, "127.0.0.1"), "uno"},
		{"sections change their services", section("uno", b, "127.0.0.1") + section("two", a, "127.0.0.1"), "two"},
		{"both are renamed", section("x", b, "127.0.0.1") + section("y", a, "127.0.0.1"), "y"},
		{"the host by its name", section("x", b, "127.0.0.1") + section("y", a, "localhost"), "y"},
	} {
		l.write("%s", test.text)
		for _, dry := range []bool{true, false} {
			if _, err := r.Reload(t.Context(), dry, nil); err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
		}
		pids := r.pids()
		if got := ask(t, first); pids[test.has] != fmt.Sprint(got, " ") {
			t.Errorf("%s: %d answers, the sections are %v", test.name, got, pids)
		}
		ask(t, second)
	}
	close(knock)
	if err := wait.Receive(t, "the client", asked); err != nil {
		t.Errorf("meanwhile: %v", err)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	l.isClean()
}

// A port that can't be opened at another address while workers have it says which section has it, and is had when that is stopped.
func TestReloadRefusesPortThatIsItsOwn(t *testing.T) {
	l := newLab(t)
	port := freePort(t)
	a := l.program("serve", "a", port)
	r := l.run(l.config("[one]\nbinary = %s\ntcp_bind = 127.0.0.1\n", a), Options{})
	r.until("ready", isReady)
	before := r.pids()
	for _, name := range []string{"uno", "one"} {
		l.write("[%s]\nbinary = %s\ntcp_bind = 0.0.0.0\n", name, a)
		_, err := r.Reload(t.Context(), name == "uno", nil)
		want := "[" + name + "] tcp_bind: open the port of a: it is open at 127.0.0.1 for the workers of section [one], and can't be opened " +
			"at 0.0.0.0 beside that: stop that section, reload, and start it again"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if after := r.pids(); !maps.Equal(before, after) {
			t.Errorf("the workers were %v and are %v", before, after)
		}
	}
	ctx := t.Context()
	if err := r.Stop(ctx, "one", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reload(ctx, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(ctx, "one", nil); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, port); fmt.Sprint(got, " ") != r.pids()["one"] {
		t.Errorf("%d answers", got)
	}
}
