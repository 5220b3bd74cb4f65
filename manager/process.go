package manager

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"hotline/internal/logs"
	"hotline/internal/worker"
	"hotline/manager/internal/launch"
	"hotline/manager/internal/procgroup"
)

// outputWait is how long the end of a process's output is waited for after the process has ended. It comes at once,
// unless a process that left the group still holds the pipe.
const outputWait = 2 * time.Second

// command is what a process of a service is started with.
type command struct {
	path           string
	args           []string
	dir            string
	env            []string // without what the section adds
	mode           worker.Mode
	service        *Service
	stopTimeout    time.Duration
	listeners      map[string]*os.File // by port
	methods        []methodName        // that it serves, as far as that is known: what its calls are counted by
	stdout, stderr func(line []byte, more bool)
}

// process is a running program of a service, the leader of a process group. Its methods may be called at once.
type process struct {
	cmd     *exec.Cmd
	cgroup  *launch.Cgroup // nil without one
	control *worker.Control
	figures figures
	began   time.Time      // a little before its start
	said    chan told      // what it says of itself, once; it has room for that
	outputs sync.WaitGroup // readers of stdout, stderr and the control channel
	exited  chan struct{}  // closed when it has ended, its group with it, and all that it said has been read

	mu     sync.Mutex
	waited bool // under mu: its pid is no longer its own
}

// start starts the program. Its lines of output are handed to c's functions, those of one stream by one goroutine.
func (c *command) start() (*process, error) {
	control, theirs, err := worker.Pair()
	if err != nil {
		return nil, err
	}
	p := &process{control: control, said: make(chan told, 1), exited: make(chan struct{}), began: time.Now(),
		cmd: exec.Command(c.path, c.args...)}
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
		p.cgroup.Remove()
		p.figures.close(0)
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
	procgroup.Own(p.cmd)
	launch.EndWithThread(p.cmd, syscall.SIGTERM)
	entry, board, err := c.inherit(p, theirs)
	lent = append(lent, board...)
	if err != nil {
		return fail(err)
	}
	launched, err := c.limited(p.cmd, entry)
	if p.cgroup = launched.Cgroup(); err != nil {
		return fail(err)
	}
	defer launched.Close()
	started := make(chan error)
	go func() {
		// On Linux the death of the thread that started it, too, is the death of the manager to the process (see launch.EndWithThread). So
		// that thread, which waits for the process anyway, belongs to it alone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		if err == nil {
			p.outputs.Go(func() { logs.ReadLines(kept[0], c.stdout) })
			p.outputs.Go(func() { logs.ReadLines(kept[1], c.stderr) })
			p.outputs.Go(func() { p.listen(c.mode) })
		}
		started <- err
		if err == nil {
			p.wait(kept)
		}
	}()
	if err := <-started; err != nil {
		return fail(launch.StartError(c.path, err))
	}
	if err := launched.Await(); err != nil {
		p.kill()
		<-p.exited // how it ended does not matter
		return nil, c.service.atKey(err)
	}
	return p, nil
}

// inherit hands the process its end of the control channel, the listeners and a board, and returns the variable that says
// which descriptors those are, and the board's file for the caller to close.
func (c *command) inherit(p *process, control *os.File) (entry string, board []*os.File, err error) {
	const first = 3 // the descriptor of ExtraFiles[0]
	cmd := p.cmd
	cmd.ExtraFiles = []*os.File{control}
	s := &worker.Settings{
		Mode: c.mode, Section: c.service.Section, ControlFD: first, Listeners: map[string]int{}, StopTimeout: c.stopTimeout,
	}
	s.TCPBind, s.TCPAllowInsecureSerialisation = c.service.TCPBind, c.service.TCPAllowInsecureSerialisation
	for port, f := range c.listeners {
		s.Listeners[port] = first + len(cmd.ExtraFiles)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	if c.mode == worker.Run {
		if board, err = p.figures.open(c.methods); err != nil {
			return "", nil, err
		}
	}
	for _, f := range board {
		s.BoardFD = first + len(cmd.ExtraFiles)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	entry, err = s.Environ()
	return entry, board, err
}

// told is what a worker said, or that it said what can't be understood.
type told struct {
	message *worker.Message
	err     error
}

// listen notes the first of what a process says that it was started for, or that it said what can't be understood, and then
// reads on to the end.
func (p *process) listen(mode worker.Mode) {
	for heard := false; ; {
		m, err := p.control.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrClosed):
			return
		case heard: // a newer program may have more to say
		case err != nil || mode == worker.Describe || m.Event == worker.IsReady:
			heard = true
			p.said <- told{m, err}
		}
		if err != nil {
			return
		}
	}
}

// wait waits for the process and everything that it left in its group.
func (p *process) wait(outputs []*os.File) {
	awaitExit(p.cmd)
	p.mu.Lock()
	procgroup.Kill(p.cmd)
	cpu, _ := cpuTime(p.cmd.Process.Pid) // not its children's, as while it ran; 0 on a system where that can't be told
	p.cmd.Wait()                         // its error is in cmd.ProcessState
	p.waited = true
	p.mu.Unlock()
	p.figures.close(cpu) // at once: on its board the calls that it died in are under way, and it is busy, until now
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
	p.control.Close()
	<-read
	p.cgroup.Remove()
	close(p.exited)
}

// terminate asks the process to stop: by SIGTERM, in case it does not listen to its control channel yet, or never will, and
// then by that. In this order the signal finds the handler of a program that ends at once.
func (p *process) terminate() {
	p.mu.Lock()
	if !p.waited {
		terminate(p.cmd)
	}
	p.mu.Unlock()
	p.control.Stop()
}

// kill ends the process and its group at once.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.waited {
		procgroup.Kill(p.cmd)
	}
}

// ending says how the process ended. It may be called when exited is closed.
func (p *process) ending() string { return p.cmd.ProcessState.String() }
