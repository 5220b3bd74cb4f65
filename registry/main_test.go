package registry_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"hotline/registry"
)

func TestMain(m *testing.M) {
	if args := os.Getenv("REGISTRY_TEST_HELPER"); args != "" {
		os.Unsetenv("REGISTRY_TEST_HELPER")
		if err := helper(strings.Fields(args)); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// helper is what a second process does: it registers, says so, and holds on until its standard input ends.
func helper(args []string) error {
	d, err := registry.Open(args[0])
	if err != nil {
		return err
	}
	e, err := d.Register(registry.Instance{Name: args[1], Port: args[2], Version: "1.0.0"})
	if err != nil {
		return err
	}
	defer e.Close()
	if len(args) > 3 { // a child that outlives this process and inherits whatever can be inherited
		child := exec.Command("sleep", args[3])
		if err := child.Start(); err != nil {
			return err
		}
		fmt.Println("child", child.Process.Pid)
	}
	if err := e.Update(registry.Ready, []string{"unix://" + e.SocketPath("unix")}); err != nil {
		return err
	}
	if err := os.WriteFile(e.SocketPath("unix")+".seen", nil, 0o600); err != nil {
		return err
	}
	fmt.Println("ready", e.Instance().ID)
	bufio.NewReader(os.Stdin).ReadString('\n')
	return nil
}

// process is a helper that runs.
type process struct {
	cmd   *exec.Cmd
	out   *bufio.Reader
	close func() error // ends it kindly
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	return startCommand(t, cmd, args)
}

// startCommand starts this test's own program, however it is found, as a helper.
func startCommand(t *testing.T, cmd *exec.Cmd, args []string) *process {
	t.Helper()
	cmd.Env = append(os.Environ(), "REGISTRY_TEST_HELPER="+strings.Join(args, " "))
	cmd.Stderr = os.Stderr
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
	p := &process{cmd: cmd, out: bufio.NewReader(out), close: in.Close}
	t.Cleanup(func() { p.kill() })
	return p
}

// says reads the next line that the process prints.
func (p *process) says(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("helper said nothing: %v", err)
	}
	return strings.TrimSpace(line)
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// open opens a directory of the test's own, whose path is short enough for sockets.
func open(t testing.TB) *registry.Dir {
	t.Helper()
	path, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(path) })
	d, err := registry.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func register(t testing.TB, d *registry.Dir, name, port, version string) *registry.Entry {
	t.Helper()
	e, err := d.Register(registry.Instance{Name: name, Port: port, Version: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// keys returns what the instances are, shortly.
func keys(all []registry.Instance) string {
	var s []string
	for _, i := range all {
		s = append(s, i.Key()+":"+i.Port)
	}
	return strings.Join(s, " ")
}

func lookup(t *testing.T, d *registry.Dir, key string) []registry.Instance {
	t.Helper()
	all, err := d.Lookup(key)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// files returns the names in the directory, without the lock that stays for ever.
func files(t *testing.T, d *registry.Dir) []string {
	t.Helper()
	all, err := os.ReadDir(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range all {
		if f.Name() != ".claims" {
			names = append(names, f.Name())
		}
	}
	return names
}
