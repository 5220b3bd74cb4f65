package monitor

import (
	"time"

	"hotline/manager"
)

// Status is what the sections of a manager do.
type Status struct {
	Manager  About     `json:"manager"`
	Sections []Section `json:"sections"` // in the order of the file; none before the programs are built
}

// About is a manager's process.
type About struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	File    string    `json:"file"` // absolute path of its service.ini; empty where it has none
	Version string    `json:"version"`
}

// Section is a section of a service.ini.
type Section struct {
	Name     string        `json:"section"`
	State    manager.State `json:"state"`
	Wanted   int           `json:"wanted"`             // workers
	Ready    int           `json:"ready"`              // workers
	Build    string        `json:"build,omitempty"`    // the beginning of the program's SHA-256
	Rolling  bool          `json:"rolling,omitempty"`  // its workers are being replaced
	Restarts int           `json:"restarts"`           // processes that were started in place of one that had ended by itself
	LastEnd  string        `json:"last_end,omitempty"` // the last such end
	Services []Service     `json:"services"`
	Workers  []Worker      `json:"workers"`
	LogFile  string        `json:"log_file"`
	LogLost  int           `json:"log_lost"` // lines of output that could not be written
}

// Service is a service that the workers of a section serve.
type Service struct {
	Name    string `json:"name"`
	Port    string `json:"port"`
	Version string `json:"version"`
	Methods int    `json:"methods"` // how many
}

// Worker is a worker of a section.
type Worker struct {
	Number    int           `json:"worker"` // from 1
	State     manager.State `json:"state"`
	Failed    bool          `json:"failed,omitempty"`  // it has ended again and again, and is tried slowly
	Due       string        `json:"due,omitempty"`     // why it is to be replaced
	PID       int           `json:"pid"`               // 0 where there is no process
	Started   *time.Time    `json:"started,omitempty"` // of the process
	Restarts  int           `json:"restarts"`
	LastEnd   string        `json:"last_end,omitempty"` // how the last process ended
	Addresses []string      `json:"addresses"`
}

// Figures is what all workers have done and do, at one moment.
type Figures struct {
	Time     time.Time        `json:"time"`
	Sections []SectionFigures `json:"sections"`
}

// SectionFigures is a section with the figures of those of its workers that have a process.
type SectionFigures struct {
	Section
	Figures []WorkerFigures `json:"figures"`
}

// WorkerFigures is what a worker has done since its process began, and what it does. Times are in nanoseconds.
type WorkerFigures struct {
	Number  int             `json:"worker"`
	PID     int             `json:"pid"`
	Unread  string          `json:"unread,omitempty"` // why there are no figures
	Methods []MethodFigures `json:"methods"`
	Running []RunningCall   `json:"running"` // the oldest first
	Waiting int             `json:"waiting"` // calls under way beyond the first
	Busy    time.Duration   `json:"busy_ns"` // at least one call was under way
	CPU     time.Duration   `json:"cpu_ns"`
	Memory  int64           `json:"memory_bytes"` // proportional set size
}

// MethodFigures counts the calls of a method.
type MethodFigures struct {
	Service string    `json:"service"`
	Method  string    `json:"method"`
	Calls   uint64    `json:"calls"`  // that have ended
	Errors  uint64    `json:"errors"` // those of them that ended by an error
	Running int       `json:"running"`
	Times   Histogram `json:"times"`
}

// RunningCall is a call that is under way in a worker.
type RunningCall struct {
	Service string        `json:"service"`
	Method  string        `json:"method"`
	Age     time.Duration `json:"age_ns"`
}

// Call is a call that is under way somewhere.
type Call struct {
	Section string `json:"section"`
	Worker  int    `json:"worker"`
	PID     int    `json:"pid"`
	RunningCall
}

// Stacks is what all goroutines of a worker do, as package runtime writes it.
type Stacks struct {
	Section string `json:"section"`
	Worker  int    `json:"worker"`
	Stacks  string `json:"stacks"`
}

// Verb is what a [Command] does.
type Verb string

// The verbs, which the methods of [manager.Manager] with these names explain.
const (
	Start   Verb = "start"
	Stop    Verb = "stop"
	Drain   Verb = "drain"
	Restart Verb = "restart"
	Scale   Verb = "scale"
	Reload  Verb = "reload"
)

// Command is something that a manager is to do.
type Command struct {
	Verb    Verb   `json:"verb"`
	Name    string `json:"name,omitempty"`    // for all but Reload
	Workers int    `json:"workers,omitempty"` // for Scale
	DryRun  bool   `json:"dry_run,omitempty"` // for Reload
	NoWait  bool   `json:"no_wait,omitempty"`
}

// Outcome is how a command ended that did not fail.
type Outcome struct {
	Section string   `json:"section,omitempty"` // that the command was for
	Begun   bool     `json:"begun,omitempty"`   // and not waited for
	Changes []Change `json:"changes,omitzero"`  // of a reload, which may have none; nil for others
	Missed  int      `json:"missed,omitempty"`  // lines of progress that this client was too slow for
}

// Change is a step of a reload, see [manager.Change].
type Change struct {
	Section string         `json:"section"`
	Action  manager.Action `json:"action"`
	Why     string         `json:"why"`
}

// event is a line of a command's stream: one of its fields is set.
type event struct {
	Progress *string  `json:"progress,omitempty"`
	Outcome  *Outcome `json:"outcome,omitempty"`
	Error    *Error   `json:"error,omitempty"`
}
