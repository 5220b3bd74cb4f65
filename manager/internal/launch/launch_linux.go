package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// A launcher is this program, whichever that is, so it has to be caught before its main function.
func init() {
	if text, ok := os.LookupEnv(Env); ok {
		runLauncher(text)
	}
}

// supported is nil where launchers work.
func supported() error { return nil }

// ownProgram returns what starts the caller's program again, even where its file was replaced or removed.
func ownProgram() string { return "/proc/self/exe" }

// runLauncher does what the text of an order says, and becomes the program. It does not return.
func runLauncher(text string) {
	runtime.LockOSThread() // niceness is a thread's, and this one is to become the program
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil || o.StatusFD < 3 {
		fmt.Fprintf(os.Stderr, "the variable %s is not what a manager sets: unset it: %v\n", Env, err)
		os.Exit(1)
	}
	unix.CloseOnExec(o.StatusFD)
	key, err := o.run()
	data, _ := json.Marshal(report{Key: key, Error: err.Error()}) // two strings
	unix.Write(o.StatusFD, data)
	os.Exit(1)
}

// run returns only what went wrong, and the key that asked for it.
func (o *order) run() (key string, err error) {
	parent := os.Getppid()
	if err := os.Unsetenv(Env); err != nil {
		return "", err
	}
	if o.Procs != "" {
		if err := os.WriteFile(o.Procs, []byte("0"), 0); err != nil {
			return "", fmt.Errorf("enter the worker's cgroup: %w", err)
		}
	}
	if o.Nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, o.Nice); err != nil {
			return "nice", fmt.Errorf("set the niceness to %d: %w: only root may go below the manager's own", o.Nice, err)
		}
	}
	if name, err := o.limit(false); err != nil {
		return "rlimit_" + name, rlimitError(o.Rlimits[name], err)
	}
	if err := o.Identity.take(); err != nil {
		return "user", err
	}
	if err := keepParent(parent, o.Ended); err != nil {
		return "", err
	}
	if o.Dir != "" {
		if err := os.Chdir(o.Dir); err != nil {
			return "work_dir", err
		}
	}
	args, env := slices.Clone(os.Args), os.Environ()
	if name, err := o.limit(true); err != nil {
		return "rlimit_" + name, rlimitError(o.Rlimits[name], err)
	}
	return "", StartError(o.Path, &os.PathError{Op: "exec", Path: o.Path, Err: syscall.Exec(o.Path, args, env)})
}

// keepParent does again what EndWithThread did, which the kernel forgets of a process that becomes another user's. It fails
// where the manager has ended meanwhile.
func keepParent(parent int, ended syscall.Signal) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(ended), 0, 0, 0); err != nil {
		return fmt.Errorf("end with the manager: %w", err)
	}
	if os.Getppid() != parent {
		return errors.New("the manager has ended")
	}
	return nil
}

// limit sets the limits: first all that a user may have to be root for, last that on addresses where it is lowered, since
// this program may be over it already.
func (o *order) limit(last bool) (failed string, err error) {
	for _, r := range []struct {
		name     string
		resource int
	}{{"nofile", unix.RLIMIT_NOFILE}, {"core", unix.RLIMIT_CORE}, {"memlock", unix.RLIMIT_MEMLOCK}, {"as", unix.RLIMIT_AS}} {
		name, resource := r.name, r.resource
		n, ok := o.Rlimits[name]
		if !ok {
			continue
		}
		var now unix.Rlimit
		if err := unix.Getrlimit(resource, &now); err != nil {
			return name, err
		}
		lowers := name == "as" && n <= now.Max
		if lowers != last { // a limit that was raised before is lowered to itself, which is nothing
			continue
		}
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return name, err
		}
	}
	return "", nil
}

// take makes this process one of the identity's. The order is given: who is not root may not change groups.
func (id *Identity) take() error {
	if id == nil {
		return nil
	}
	if err := syscall.Setgroups(id.Groups); err != nil {
		return fmt.Errorf("take the groups %v: %w", id.Groups, err)
	}
	if err := syscall.Setgid(id.GID); err != nil {
		return fmt.Errorf("become group %d: %w", id.GID, err)
	}
	if err := syscall.Setuid(id.UID); err != nil {
		return fmt.Errorf("become user %d: %w", id.UID, err)
	}
	return nil
}

// rlimitError says what to do about a limit that was not taken.
func rlimitError(value uint64, err error) error {
	text := strconv.FormatUint(value, 10)
	if value == Unlimited {
		text = "unlimited"
	}
	return fmt.Errorf("set the limit to %s: %w: it is over the manager's own hard limit, which only root may raise: "+
		"raise that (ulimit -H, or Limit… of its systemd unit), or write less", text, err)
}
