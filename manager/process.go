package manager

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"hotline/internal/worker"
)

// outputWait is how long the end of a process's output is waited for after the process has ended. It comes at once,
// unless a process that left the group still holds the pipe.
const outputWait = 2 * time.Second

// command is what a process of a service is started with.
type command struct {
	path           string
	args           []string
	dir            string
	env            []string
	mode           worker.Mode
	service        *Service
	listeners      map[string]*os.File // by port
	stdout, stderr func(line []byte, more bool)
}

// process is a running program of a service, the leader of a process group. Its methods may be called at once.
type process struct {
	cmd     *exec.Cmd
	control *worker.Control
	outputs sync.WaitGroup // readers of stdout and stderr
	exited  chan struct{}  // closed when it has ended, its group with it, and its output has been read

	mu     sync.Mutex
	waited bool // under mu: its pid is no longer its own
}

// start starts the program. Its lines of output are handed to c's functions, those of one stream by one goroutine.
func (c *command) start() (*process, error) {
	control, theirs, err := worker.Pair()
	if err != nil {
		return nil, err
	}
	p := &process{control: control, exited: make(chan struct{}), cmd: exec.Command(c.path, c.args...)}
	lent, kept := []*os.File{theirs}, []*os.File{}
	defer func() {
		for _, f := range lent { // the process has copies of its own
			f.Close()
		}
	}()
	fail := func(err error) (*process, error) {
		for _, f := range kept {
			f.Close()
		}
		control.Close()
		return nil, err
	}
	for range 2 {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		kept, lent = append(kept, r), append(lent, w)
	}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = c.dir, lent[1], lent[2]
	ownGroup(p.cmd)
	entry, err := c.inherit(p.cmd, theirs)
	if err != nil {
		return fail(err)
	}
	p.cmd.Env = slices.Concat(c.env, []string{entry})
	if err := p.cmd.Start(); err != nil {
		return fail(startError(c.path, err))
	}
	p.outputs.Go(func() { readLines(kept[0], c.stdout) })
	p.outputs.Go(func() { readLines(kept[1], c.stderr) })
	go p.wait(kept)
	return p, nil
}

// inherit hands the process its end of the control channel and the listeners, and returns the variable that says
// which descriptors those are.
func (c *command) inherit(cmd *exec.Cmd, control *os.File) (string, error) {
	const first = 3 // the descriptor of ExtraFiles[0]
	cmd.ExtraFiles = []*os.File{control}
	s := &worker.Settings{Mode: c.mode, ControlFD: first, Listeners: map[string]int{}}
	s.TCPBind, s.TCPAllowInsecureSerialisation = c.service.TCPBind, c.service.TCPAllowInsecureSerialisation
	for port, f := range c.listeners {
		s.Listeners[port] = first + len(cmd.ExtraFiles)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return s.Environ()
}

func startError(path string, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: if %s is on a file system where no program may run, set TMPDIR to a directory on another one",
			err, path)
	}
	return err
}

// wait waits for the process and everything that it left in its group.
func (p *process) wait(outputs []*os.File) {
	awaitExit(p.cmd)
	p.mu.Lock()
	killGroup(p.cmd)
	p.cmd.Wait() // its error is in cmd.ProcessState
	p.waited = true
	p.mu.Unlock()
	read := make(chan struct{})
	go func() {
		p.outputs.Wait()
		close(read)
	}()
	timeout := time.NewTimer(outputWait)
	defer timeout.Stop()
	select {
	case <-read:
	case <-timeout.C:
	}
	for _, f := range outputs {
		f.Close() // ends a reader that still waits
	}
	<-read
	p.control.Close()
	close(p.exited)
}

// terminate asks the process to stop: by the end of its control channel, and by SIGTERM in case it does not listen to
// that yet, or never will.
func (p *process) terminate() {
	p.control.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.waited {
		terminate(p.cmd)
	}
}

// kill ends the process and its group at once.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.waited {
		killGroup(p.cmd)
	}
}

// stop asks the process to stop, kills it if it has not after the given time, and reports whether it had to.
func (p *process) stop(wait time.Duration) (killed bool) {
	p.terminate()
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case <-p.exited:
		return false
	case <-timeout.C:
		p.kill()
		<-p.exited
		return true
	}
}

// ending says how the process ended. It may be called when exited is closed.
func (p *process) ending() string { return p.cmd.ProcessState.String() }
