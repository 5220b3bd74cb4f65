package registry

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"hotline/internal/filelock"
)

// ConflictError says that a living instance of another service holds the port or the name.
type ConflictError struct {
	Name, Port string   // what was to be registered: name@major and port
	Holder     Instance // who holds it. PID and what else only its entry says are missing where that can't be read
}

func (e *ConflictError) Error() string {
	held := fmt.Sprintf("%s on port %s", e.Holder.Key(), e.Holder.Port)
	if e.Holder.PID != 0 {
		held += fmt.Sprintf(" (pid %d)", e.Holder.PID)
	}
	if e.Port == e.Holder.Port {
		return fmt.Sprintf("registry: register %s: port %s is held by %s: use another port, or stop that service",
			e.Name, e.Port, held)
	}
	return fmt.Sprintf("registry: register %s on port %s: the name is held by %s: use that port, another name or "+
		"another major version, or stop that service", e.Name, e.Port, held)
}

// Entry is this process's hold on a port and a name, for one instance. Its methods may be called at once. The hold
// ends with Close or with the process.
type Entry struct {
	dir   *Dir
	claim claim
	lock  *os.File

	mu       sync.Mutex
	instance Instance        // under mu
	kinds    map[string]bool // of the sockets that were asked for; under mu
	closed   bool            // under mu
}

// Register claims a port and a name@major for an instance of this process, in state [Starting]. Of want it takes Name,
// Port and Version. Instances of one name@major on one port live side by side; a living instance of another
// name@major on that port, or of that name@major on another port, makes it fail with a [*ConflictError].
func (d *Dir) Register(want Instance) (*Entry, error) {
	if err := errors.Join(want.check(), d.checkLength(want.Port)); err != nil {
		return nil, fmt.Errorf("registry: register %q: %w", want.Name, err)
	}
	major, _ := Major(want.Version)
	e := &Entry{dir: d, kinds: map[string]bool{}, claim: claim{port: want.Port, id: newID(), name: want.Name, major: major}}
	e.instance = Instance{
		ID: e.claim.id, Name: want.Name, Port: want.Port, Version: want.Version,
		State: Starting, PID: os.Getpid(), Started: time.Now().UTC().Round(0),
	}
	unlock, err := d.lockClaims()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := d.refuseConflict(e.claim); err != nil {
		return nil, err
	}
	if err := e.create(); err != nil {
		return nil, fmt.Errorf("registry: register %s: %w", e.claim.key(), err)
	}
	return e, nil
}

// Instance returns the instance as it was last written.
func (e *Entry) Instance() Instance {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.instance
	i.Addresses = append([]string(nil), i.Addresses...)
	return i
}

// SocketPath returns where this instance puts its socket of a kind, which is a word of one to four lower-case letters
// ("shm", "unix"). The path fits into a socket address.
func (e *Entry) SocketPath(kind string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kinds[kind] = true
	return filepath.Join(e.dir.path, e.claim.stem()+"."+kind)
}

// Update tells the others the instance's state and addresses, in place of those told before.
func (e *Entry) Update(state State, addresses []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("registry: update %s: the entry is closed", e.claim.key())
	}
	i := e.instance
	i.State, i.Addresses = state, append([]string(nil), addresses...)
	if err := e.dir.write(e.claim, &i); err != nil {
		return fmt.Errorf("registry: update %s: %w", e.claim.key(), err)
	}
	e.instance = i
	return nil
}

// Close gives up the port and the name and removes the entry and its sockets. Calls after the first do nothing.
func (e *Entry) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	path := filepath.Join(e.dir.path, e.claim.stem())
	err := remove(path + ".json") // first: nobody shall connect any more
	for kind := range e.kinds {
		err = errors.Join(err, remove(path+"."+kind))
	}
	err = errors.Join(err, e.lock.Close(), remove(e.lock.Name()))
	e.dir.unkeep()
	if err != nil {
		return fmt.Errorf("registry: close the entry of %s: %w", e.claim.key(), err)
	}
	return nil
}

// refuseConflict returns a ConflictError if a living instance is in c's way. The dead among those that share c's port
// or name are removed. The claims are locked.
func (d *Dir) refuseConflict(c claim) error {
	names, err := d.names()
	if err != nil {
		return err
	}
	died := map[string]bool{}
	for _, o := range claims(names, func(o claim) bool { return o.port == c.port || o.key() == c.key() }) {
		l, err := d.life(o)
		if err != nil {
			return err
		}
		died[o.stem()] = l == dead
		if l == alive && c.conflicts(o) {
			return &ConflictError{Name: c.key(), Port: c.port, Holder: d.holder(o)}
		}
	}
	_ = d.removeFiles(names, func(o claim) bool { return died[o.stem()] }) // what stays is in nobody's way
	for _, g := range d.grants(names) {
		if c.conflicts(g.claim) {
			return &ConflictError{Name: c.key(), Port: c.port, Holder: d.grantee(g)}
		}
	}
	return nil
}

// holder returns the instance that c's entry tells of, or what c's lock file says if the entry can't be read.
func (d *Dir) holder(c claim) Instance {
	i, err := d.read(c)
	if err != nil {
		return Instance{ID: c.id, Name: c.name, Port: c.port, Version: c.major}
	}
	return i
}

// create writes the entry's files. The lock file comes last: when it is seen, the JSON file is there.
func (e *Entry) create() (err error) {
	path := filepath.Join(e.dir.path, e.claim.lockFile())
	defer func() {
		if err != nil {
			os.Remove(path)
			os.Remove(filepath.Join(e.dir.path, e.claim.jsonFile()))
		}
	}()
	if err := e.dir.write(e.claim, &e.instance); err != nil {
		return err
	}
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|openFlags, 0o600)
	if err != nil {
		return err
	}
	if err := filelock.Lock(lock, claimWait); err != nil {
		lock.Close()
		return err
	}
	e.lock = lock
	e.dir.keep()
	return nil
}
