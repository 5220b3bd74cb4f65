package manager

import (
	"time"

	"hotline"
	"hotline/internal/worker"
)

// State says what a worker does.
type State string

// The states of a worker.
const (
	Starting State = "starting" // the process runs, the service is not ready
	Ready    State = "ready"    // the service takes calls
	Waiting  State = "waiting"  // the process ended, and is started again after a while
	Stopping State = "stopping" // the service finishes its calls
	Stopped  State = "stopped"  // it is not started again
)

// SectionStatus is what the manager knows of a section of its file.
type SectionStatus struct {
	Section  string
	Services []ServiceStatus
	Workers  []WorkerStatus
	LogFile  string
	LogLost  int // lines of output that could not be written
}

// ServiceStatus is a service that the workers of a section serve.
type ServiceStatus struct {
	Type, Name, Port, Version string
	Methods                   []hotline.MethodInfo
}

// WorkerStatus is a worker of a section, which has the same number for as long as the manager runs.
type WorkerStatus struct {
	Number    int // from 1
	State     State
	PID       int       // of the present process, 0 where there is none
	Started   time.Time // of the present process
	Restarts  int       // how often a process was started in place of one that had ended
	LastEnd   string    // how the last process ended, "" if none has
	Addresses []string  // of the present process, once it is ready
}

// Status returns what every section does, in the order of the file. It is empty before the programs are built. It may be
// called at any time.
func (m *Manager) Status() []SectionStatus {
	m.mu.Lock()
	pools := m.pools
	m.mu.Unlock()
	all := make([]SectionStatus, 0, len(pools))
	for _, p := range pools {
		all = append(all, p.status())
	}
	return all
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
