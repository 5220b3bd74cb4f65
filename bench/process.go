package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"hotline/bench/calibrate"
	"hotline/bench/load"
)

// roleVariable makes this program another process of a measurement than the one that the user started.
const roleVariable = "HOTLINE_BENCH_ROLE"

// The roles beside calibrate.Role. Each ends when its standard input does.
const (
	roleServer = "server"
	roleClient = "client"
	roleLinks  = "links"
	roleHog    = "hog"
)

// playRole is the main function of a process with a role.
func playRole(role string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := json.NewEncoder(os.Stdout)
	log.SetOutput(io.Discard) // what some libraries have to say when their listener is closed
	switch role {
	case calibrate.Role:
		return calibrate.Answer()
	case roleHog:
		return load.Hog(os.Stdin)
	case roleServer:
		return load.Serve(ctx, os.Args[1], os.Args[2], os.Stdin, out)
	case roleClient:
		return load.Client(ctx, os.Stdin, out)
	case roleLinks:
		return load.Links(ctx, os.Stdin, out)
	}
	return fmt.Errorf("%s=%s: there is no such role", roleVariable, role)
}

// launcher starts the processes of a measurement under its conditions.
type launcher struct {
	env    []string // beside the environment
	cgroup string   // the file that takes the number of a process which is to be in the group
}

// command returns a command of this program in a role. It ends with this process, and with ctx.
func (l *launcher) command(ctx context.Context, role string, args ...string) *exec.Cmd {
	name := "/proc/self/exe"
	if exe, err := os.Executable(); err == nil {
		name = exe
	}
	if l.cgroup != "" {
		// The shell enters the group before the program begins, so that it finds itself there from the start.
		args = append([]string{"-c", `echo $$ >"$0" && exec "$@"`, l.cgroup, name}, args...)
		name = "/bin/sh"
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(append(os.Environ(), roleVariable+"="+role), l.env...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// process is another process that takes requests and answers them, in lines of JSON.
type process struct {
	role string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

func (l *launcher) start(ctx context.Context, role string, args ...string) (*process, error) {
	cmd := l.command(ctx, role, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{role, cmd, in, bufio.NewReader(out)}, nil
}

// send sends a request.
func (p *process) send(request any) error { return json.NewEncoder(p.in).Encode(request) }

// answer waits for the answer to a request. An error of the other process is an error here.
func (p *process) answer(to any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the %s process ended early: %w", p.role, err)
	}
	var a struct {
		Error  string
		Answer json.RawMessage
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return fmt.Errorf("the %s process said %.80q: %w", p.role, line, err)
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	if to == nil {
		return nil
	}
	return json.Unmarshal(a.Answer, to)
}

// ask sends a request and waits for its answer.
func (p *process) ask(request, to any) error {
	if err := p.send(request); err != nil {
		return err
	}
	return p.answer(to)
}

// endWait is how long a process may take to end by itself.
const endWait = 5 * time.Second

// end ends the process and waits for it.
func (p *process) end() {
	p.in.Close()
	kill := time.AfterFunc(endWait, func() { p.cmd.Process.Kill() })
	defer kill.Stop()
	io.Copy(io.Discard, p.out)
	p.cmd.Wait()
}

// scratch makes a directory for one pair of processes, with a path that leaves room for the names of sockets.
func scratch() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "hlb")
	return dir, func() {
		os.RemoveAll(dir)
		left, _ := filepath.Glob("/dev/shm/" + filepath.Base(dir) + "*") // what shmipc leaves when it is cut off
		for _, name := range left {
			os.Remove(name)
		}
	}, err
}
