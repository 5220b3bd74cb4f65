package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Env is the environment variable that makes a process a launcher.
const Env = "HOTLINE_LAUNCH"

// Unlimited is the value of a resource limit that is none.
const Unlimited = math.MaxUint64

// timeout is how long a launcher may take: its system calls are quick, but for a directory that is on a network.
const timeout = 30 * time.Second

// Settings are what a process begins with. The zero value is: as the caller.
type Settings struct {
	Identity  *Identity
	Nice      int               // -20 to 19; 0 for the caller's own
	Rlimits   map[string]uint64 // soft and hard limits, by name: "nofile", "core", "memlock", "as"
	CPUMax    float64           // cores, by a cgroup of the process's own; 0 for no limit
	MemoryMax int64             // bytes, by the same; 0 for no limit
	Name      string            // what the cgroup's name has in it
}

// Error is what could not be done, with the key of service.ini that asked for it; "" for none.
type Error struct {
	Key string
	Err error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Launch is a process on its way from launcher to program. A nil *Launch is one that needs no launcher.
type Launch struct {
	cgroup        *Cgroup
	status, other *os.File // the ends of the pipe
}

// order is what a launcher is told. Its program's arguments are its own.
type order struct {
	Path     string
	Dir      string // to begin in; "" for the caller's
	StatusFD int    // takes a report, or closes when the program begins
	Procs    string // the file by which to enter a cgroup; empty for none
	Nice     int    // 0 to leave it
	Rlimits  map[string]uint64
	Identity *Identity      // nil to stay who it is
	Ended    syscall.Signal // that EndWithThread was told
}

// report says what a launcher could not do.
type report struct {
	Key   string
	Error string
}

// Prepare makes cmd, which is complete and not started, a process with the settings. Where they say nothing, cmd is left
// alone. After the start comes Await, and in any case, in the end, Close. The cgroup is the caller's to remove when the process
// has ended, also where Prepare fails. What [EndWithThread] was told of cmd before holds for the process. Its errors are of type
// [*Error].
func Prepare(cmd *exec.Cmd, s *Settings) (*Launch, error) {
	grouped := s.CPUMax > 0 || s.MemoryMax > 0
	if s.Identity == nil && !grouped && s.Nice == 0 && len(s.Rlimits) == 0 {
		return nil, nil // nothing that exec itself can't do
	}
	l, err := new(Launch), supported()
	if err == nil && grouped {
		if l.cgroup, err = newCgroup(s); err != nil {
			return l, err
		}
	}
	if err == nil {
		err = l.through(cmd, &order{
			Path: cmd.Path, Dir: cmd.Dir, Procs: l.cgroup.procs(), Nice: s.Nice, Rlimits: s.Rlimits, Identity: s.Identity,
		})
	}
	if err != nil {
		l.Close()
		return l, &Error{"", err}
	}
	return l, nil
}

// Cgroup returns the cgroup that was made for the process, or nil.
func (l *Launch) Cgroup() *Cgroup {
	if l == nil {
		return nil
	}
	return l.cgroup
}

// through makes cmd a launcher of the program that it was.
func (l *Launch) through(cmd *exec.Cmd, what *order) (err error) {
	if l.status, l.other, err = os.Pipe(); err != nil {
		return err
	}
	what.StatusFD, what.Ended = 3+len(cmd.ExtraFiles), threadEnded(cmd)
	cmd.ExtraFiles = append(cmd.ExtraFiles, l.other)
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	cmd.Path, cmd.Dir = ownProgram(), "" // it goes to its directory as its user, who may be let in where root is not
	cmd.Env = append(cmd.Environ(), Env+"="+string(text))
	return nil
}

// Await returns when the program has begun, or what the launcher could not do, as an [*Error] where that is known. The launcher
// has been started; if it failed it ends by itself.
func (l *Launch) Await() error {
	if l == nil {
		return nil
	}
	l.other.Close() // so that the launcher's copy is the last
	l.other = nil
	if err := l.status.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(l.status, 1<<16))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the program did not begin within %v: is one of its directories on a network that does not answer?", timeout)
	case err != nil:
		return err
	case len(data) == 0:
		return nil
	}
	var failed report
	if err := json.Unmarshal(data, &failed); err != nil {
		return fmt.Errorf("the launcher said %.100q: %w", data, err)
	}
	return &Error{failed.Key, errors.New(failed.Error)}
}

// Close closes what Prepare opened.
func (l *Launch) Close() {
	if l == nil {
		return
	}
	for _, f := range []*os.File{l.status, l.other} {
		if f != nil {
			f.Close()
		}
	}
}

// StartError adds the mend to why the program at path did not begin.
func StartError(path string, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: if %s is on a file system where no program may run, set TMPDIR to a directory on another one",
			err, path)
	}
	return err
}
