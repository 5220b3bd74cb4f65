package manager

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"hotline/internal/board"
	"hotline/internal/worker"
)

// errNoFigures is the error where nothing is counted.
var errNoFigures = errors.New("the calls of workers are counted on Linux only")

// errNotCounted is the error of a worker that has not begun to count.
var errNotCounted = errors.New("the worker counts no calls: it has just been started, or is built with a version of hotline that counts none")

// figures are where a process counts its calls. Its methods may be called at once.
type figures struct {
	methods []methodName // in the order that they have on the board
	view    *board.View  // nil where there is none

	end atomic.Pointer[lastFigures] // nil before the process has ended

	mu       sync.Mutex // held while the memory is read, which takes the kernel a while
	memory   int64      // under mu
	memoryAt time.Time  // under mu: when it was read
}

// methodName is what a method is called.
type methodName struct{ service, method string }

// methodNames returns the methods of services in the order in which a worker numbers them.
func methodNames(services []worker.Description) (all []methodName) {
	for i := range services {
		for _, m := range services[i].Methods {
			all = append(all, methodName{services[i].Name, m.Name})
		}
	}
	return all
}

// open makes a board, and returns its file for the process to inherit; none where the system has no such memory.
func (f *figures) open(methods []methodName) ([]*os.File, error) {
	view, file, err := board.New(len(methods), runtime.GOMAXPROCS(0))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f.methods, f.view = methods, view
	return []*os.File{file}, nil
}

// lastFigures are what a process has done in all.
type lastFigures struct {
	reading *board.Reading // on which the calls that it died in are under way
	cpu     time.Duration
}

// close reads the board for the last time, and gives it back. The process, which has had that much CPU time, has ended.
func (f *figures) close(cpu time.Duration) {
	end := &lastFigures{&board.Reading{}, cpu}
	if r, err := f.read(); err == nil {
		end.reading = r
	}
	f.end.Store(end)
	if f.view != nil {
		f.view.Close() // of memory that is mapped, it can't fail
	}
}

// read reads the whole board.
func (f *figures) read() (*board.Reading, error) {
	if f.view == nil {
		return nil, errNoFigures
	}
	r, err := f.view.Read()
	return r, f.check(r == nil || r.Attached, err)
}

// load reads how much the process has to do.
func (f *figures) load() (board.Load, error) {
	if f.view == nil {
		return board.Load{}, errNoFigures
	}
	l, err := f.view.Load()
	return l, f.check(l.Attached, err)
}

// check returns the error of a look at the board.
func (f *figures) check(attached bool, err error) error {
	switch {
	case errors.Is(err, board.ErrClosed):
		return errNoProcess
	case err == nil && !attached:
		return errNotCounted
	}
	return err
}

// calls returns how many calls of the process have ended.
func (p *process) calls() (n uint64, err error) {
	r, err := p.figures.read()
	if err != nil {
		return 0, err
	}
	for i := range r.Methods {
		n += r.Methods[i].Calls
	}
	return n, nil
}

// cpuTime returns the CPU time of the process.
func (p *process) cpuTime() (time.Duration, error) {
	d, err := cpuTime(p.cmd.Process.Pid)
	return d, errors.Join(err, p.present())
}

// memory returns the private memory of the process, which was read memoryEvery ago at most: to count the pages of a large
// process keeps it from getting new ones meanwhile, and costs more than all other figures.
func (p *process) memory() (int64, error) {
	f := &p.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.memoryAt.IsZero() || time.Since(f.memoryAt) >= memoryEvery {
		n, err := privateMemory(p.cmd.Process.Pid)
		if err = errors.Join(err, p.present()); err != nil {
			return 0, err
		}
		f.memory, f.memoryAt = n, time.Now()
	}
	return f.memory, nil
}

// memoryEvery is how old the figure of a process's memory may be.
const memoryEvery = 5 * time.Second

// present returns nil if the pid was that of the process until now: what was read by it is about the process.
func (p *process) present() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waited {
		return errNoProcess
	}
	return nil
}

// errNoProcess is the error of figures of a worker that has no process at present.
var errNoProcess = errors.New("the worker has no process now")
