package examples_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"hotline/internal/wait"
	"hotline/registry"
)

// patience is how long a test waits for what should come soon, or when a program has been built.
const patience = 5 * time.Minute

// place is a runtime directory of a test's own.
type place struct {
	dir string
	env []string
}

func newPlace(t testing.TB) *place {
	t.Helper()
	dir, err := os.MkdirTemp("", "hl") // short, as paths of sockets must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &place{dir, append(os.Environ(), "HOTLINE_DIR="+dir)}
}

// command prepares a program that lives no longer than ctx.
func (p *place) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program(name), args...)
	cmd.Env = p.env
	return cmd
}

// run runs a program to its end and returns what it wrote.
func (p *place) run(t testing.TB, stdin, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := p.command(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// service is a process that runs until the test ends.
type service struct {
	cmd    *exec.Cmd
	output wait.Output
	ended  chan struct{} // closed when it has ended
	err    error         // as it ended
}

// serve starts a program and waits until as many instances as wanted are ready.
func (p *place) serve(t testing.TB, wanted int, name string, args ...string) *service {
	t.Helper()
	s := p.start(t, name, args...)
	s.await(t, func() bool { return len(p.ready(t)) == wanted })
	return s
}

// start starts a program that runs until the test ends.
func (p *place) start(t testing.TB, name string, args ...string) *service {
	t.Helper()
	s := &service{cmd: p.command(context.Background(), name, args...), ended: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.ended)
		s.err = s.cmd.Wait()
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill() // where stop has not been called, or has failed
		<-s.ended
	})
	return s
}

// await waits until cond holds.
func (s *service) await(t testing.TB, cond func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-s.ended:
			t.Fatalf("%s ended: %v\n%s", s.cmd, s.err, s.output.String())
		case <-deadline:
			t.Fatalf("%s does not do what is awaited\n%s", s.cmd, s.output.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// stop ends the process as Ctrl-C does and checks that it ends well.
func (s *service) stop(t testing.TB) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return // there a process can only be killed
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatalf("interrupt %s: %v", s.cmd, err)
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatalf("%s does not end\n%s", s.cmd, s.output.String())
	}
	if s.err != nil {
		t.Errorf("%s ended with %v\n%s", s.cmd, s.err, s.output.String())
	}
}

// ready returns the instances that take calls.
func (p *place) ready(t testing.TB) (all []registry.Instance) {
	t.Helper()
	d, err := registry.Open(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	instances, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range instances {
		if i.State == registry.Ready {
			all = append(all, i)
		}
	}
	return all
}

// address returns where the only instance is reached over a transport.
func (p *place) address(t testing.TB, scheme string) (string, bool) {
	t.Helper()
	for _, i := range p.ready(t) {
		for _, a := range i.Addresses {
			if strings.HasPrefix(a, scheme+"://") {
				return a, true
			}
		}
	}
	return "", false
}

// exitCode returns the code of a process that ended, or -1 where it did not run.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
