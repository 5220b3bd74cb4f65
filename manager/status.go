package manager

import (
	"time"

	"hotline"
	"hotline/internal/worker"
)

// State says what a worker, or a section, does.
type State string

// The states of a worker. A section is Starting, Ready, Failed, Draining or Stopped.
const (
	Starting State = "starting" // the process runs, the service is not ready
	Ready    State = "ready"    // the service takes calls
	Waiting  State = "waiting"  // the process ended, and is started again after a while
	Stopping State = "stopping" // the service finishes its calls
	Stopped  State = "stopped"  // it is not started again
	Failed   State = "failed"   // a worker ends again and again, and is tried slowly
	Draining State = "draining" // the section's workers finish their calls, and are not started again
)

// SectionStatus is what the manager knows of a section of its file.
type SectionStatus struct {
	Section    string
	State      State
	Wanted     int    // workers, from min_proc_num to max_proc_num
	ByHand     bool   // Scale has set Wanted, which stays until Reload; else it follows what the workers have to do
	Generation int    // of what the workers are to be started with: one more with each restart of the section
	Build      string // the beginning of the program's SHA-256
	Rolling    bool   // workers are being replaced by those of this generation
	Restarts   int    // how often a worker was started in place of one that had ended by itself
	LastEnd    string // the last such end, "" if there was none
	Services   []ServiceStatus
	Workers    []WorkerStatus
	LogFile    string
	LogLost    int // lines of output that could not be written
}

// ServiceStatus is a service that the workers of a section serve.
type ServiceStatus struct {
	Type, Name, Port, Version string
	Methods                   []hotline.MethodInfo
}

// WorkerStatus is a worker of a section. It keeps its number when its process ends and is started again. A worker that is
// started in the place of another one has a number of its own, the smallest that is free, so that a number always means one
// process.
type WorkerStatus struct {
	Number     int // from 1
	State      State
	Failed     bool      // it has ended again and again before it was stable, and is tried slowly
	Generation int       // that the process is, or will be, started with
	PID        int       // of the present process, 0 where there is none
	Started    time.Time // of the present process
	Restarts   int       // how often a process was started in place of one that had ended
	LastEnd    string    // how the last process ended, "" if none has
	Due        string    // why it is to be replaced: its memory, its age or its calls; "" if it is not
	Addresses  []string  // of the present process, once it is ready
}

// Status returns what every section does, in the order of the file. It is empty before the programs are built. It may be
// called at any time.
func (m *Manager) Status() []SectionStatus {
	pools := m.allPools()
	all := make([]SectionStatus, 0, len(pools))
	for _, p := range pools {
		all = append(all, p.status())
	}
	return all
}

// status returns what the section does.
func (p *pool) status() SectionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := SectionStatus{
		Section: p.section, State: p.state(), Wanted: p.target, ByHand: p.byHand, Generation: p.current.number, Build: p.current.build(),
		Rolling: p.roll != nil, Restarts: p.restarts, LastEnd: p.lastEnd, LogFile: p.current.log.Path(),
		LogLost: int(p.current.log.Lost()),
	}
	for i := range p.current.services {
		s.Services = append(s.Services, serviceStatus(&p.current.services[i]))
	}
	for _, w := range p.slots {
		s.Workers = append(s.Workers, w.status())
	}
	return s
}

// state says in one word what the section does. The lock is held.
func (p *pool) state() State {
	switch {
	case p.mode == off || p.mode == draining:
		if len(p.slots) == 0 {
			return Stopped
		}
		return Draining
	case p.failing() != nil:
		return Failed
	case p.ready() >= p.service.MinProcNum:
		return Ready
	}
	return Starting
}

// serviceStatus returns what a worker said of a service, for those who ask.
func serviceStatus(d *worker.Description) ServiceStatus {
	s := ServiceStatus{Type: d.Type, Name: d.Name, Port: d.Port, Version: d.Version}
	for _, m := range d.Methods {
		s.Methods = append(s.Methods, hotline.MethodInfo{
			Name: m.Name, Codec: m.Codec, Signature: m.Signature, Doc: m.Doc, Arguments: m.Arguments, Results: m.Results,
		})
	}
	return s
}
