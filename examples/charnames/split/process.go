package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// process is a program in a role, ready to be measured.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer // its end is the program's
	took  time.Duration
}

// start runs this program again, in a role, and waits until it has done what that is for.
func start(ctx context.Context, dir, role string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-role", role)
	cmd.Env = append(os.Environ(), "HOTLINE_DIR="+dir)
	cmd.Stderr = os.Stderr
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
	p := &process{cmd: cmd, stdin: in}
	if _, err := fmt.Fscan(out, (*int64)(&p.took)); err != nil {
		return nil, fmt.Errorf("a %s was not ready: %w", role, errors.Join(err, p.stop()))
	}
	return p, nil
}

// stop ends the process and waits for it.
func (p *process) stop() error {
	return errors.Join(p.stdin.Close(), p.cmd.Wait())
}

// run starts a process for each role, one after the other, measures all of them while they are there, and ends them.
func run(ctx context.Context, dir string, roles []string) (all []usage, err error) {
	var processes []*process
	defer func() {
		for i := len(processes) - 1; i >= 0; i-- { // the clients before their service
			err = errors.Join(err, processes[i].stop())
		}
	}()
	for _, role := range roles {
		p, err := start(ctx, dir, role)
		if err != nil {
			return nil, err
		}
		processes = append(processes, p)
	}
	for _, p := range processes {
		u, err := usageOf(p)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}
