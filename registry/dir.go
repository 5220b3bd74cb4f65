package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"hotline/internal/filelock"
)

// claimWait bounds how long a registration waits for others to finish theirs.
const claimWait = 10 * time.Second

// Dir is a directory of running instances. Its methods may be called by any number of goroutines and processes at
// once. It holds no open file unless an [Entry] of it is open, so there is nothing to close.
type Dir struct {
	path string // absolute; immutable

	mu      sync.Mutex
	entries int      // open entries of this Dir
	keeper  *os.File // the directory itself, while there are entries
	users   []int    // who have grants, as of usersAt; under mu
	usersAt time.Time
}

// Open opens the directory at path, and makes it where it is missing. An empty path means $HOTLINE_DIR, or else
// $XDG_RUNTIME_DIR/hotline, or else hotline-<uid> in the system's temporary directory.
//
// Who can write to the directory can pose as any service. So one that is a symlink, belongs to another user or can be
// written by another one is refused.
func Open(path string) (*Dir, error) {
	path, from, err := locate(path)
	if err != nil {
		return nil, err
	}
	if err := makeOwn(path); err != nil {
		return nil, fmt.Errorf("registry: open %s: %w", from, err)
	}
	return &Dir{path: path}, nil
}

// Path returns the absolute path of the directory that [Open] opens, without a look at it: it need not be there.
func Path(path string) (string, error) {
	path, _, err := locate(path)
	return path, err
}

// Path returns the directory's absolute path.
func (d *Dir) Path() string { return d.path }

// Lookup returns the living instances that key names: by port, by name (every version) or by name@major. A key that is
// the port of one service and the name of another means the port. They are sorted by name, version and age.
func (d *Dir) Lookup(key string) ([]Instance, error) {
	found, err := d.living(func(c claim) bool { return c.matches(key) })
	if err != nil {
		return nil, err
	}
	byPort := found[:0:0]
	for _, i := range found {
		if i.Port == key {
			byPort = append(byPort, i)
		}
	}
	if len(byPort) > 0 {
		return byPort, nil
	}
	return found, nil
}

// List returns all living instances, sorted by name, version and age.
func (d *Dir) List() ([]Instance, error) {
	return d.living(func(claim) bool { return true })
}

// Stamp is a state that a directory was in, to be compared by ==; see [Dir.Stamp].
type Stamp struct{ nanoseconds int64 }

// settled is how long after a change a file system may give another one the same time.
const settled = 20 * time.Millisecond

// Stamp returns what differs from an earlier one when an instance has come, gone, or changed its state or addresses
// since, and sometimes when none has. It is quick beside Lookup. A process that died without a word is not seen.
func (d *Dir) Stamp() (Stamp, error) {
	info, err := os.Stat(d.path)
	if err != nil {
		return Stamp{}, fmt.Errorf("registry: %w", err)
	}
	if now := time.Now(); now.Sub(info.ModTime()) < settled {
		return Stamp{now.UnixNano()}, nil // the next one will differ
	}
	annexes, unsettled, err := d.annexStamp(info.ModTime())
	if err != nil {
		return Stamp{}, err
	}
	if unsettled {
		return Stamp{time.Now().UnixNano()}, nil
	}
	return Stamp{info.ModTime().UnixNano() + annexes}, nil
}

// Dead returns name@major and port of the instances that have died and left files, which [Dir.Sweep] removes.
func (d *Dir) Dead() ([]string, error) {
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	var died []string
	for _, c := range claims(names, func(claim) bool { return true }) {
		l, err := d.life(c)
		if err != nil {
			return nil, err
		}
		if l == dead {
			died = append(died, fmt.Sprintf("%s on port %s", c.key(), c.port))
		}
	}
	slices.Sort(died)
	return died, nil
}

// Sweep removes what dead instances left in the directory, their sockets included, and returns how many those were.
// Files that this package did not make are left alone.
func (d *Dir) Sweep() (int, error) {
	unlock, err := d.lockClaims()
	if err != nil {
		return 0, err
	}
	defer unlock()
	names, err := d.names()
	if err != nil {
		return 0, err
	}
	// An instance is registered under the lock that is held here, and has its lock file for as long as it lives. So a
	// file without a lock file beside it belongs to nobody.
	keep, swept := map[string]bool{}, 0
	for _, n := range names {
		c, ok := parseClaim(n)
		if !ok {
			continue
		}
		switch l, err := d.life(c); {
		case err != nil:
			return 0, err
		case l == dead:
			swept++
		default:
			keep[c.stem()] = true
		}
	}
	if err := d.removeFiles(names, func(c claim) bool { return !keep[c.stem()] }); err != nil {
		return swept, fmt.Errorf("registry: sweep: %w", err)
	}
	if err := d.sweepGrants(); err != nil {
		return swept, fmt.Errorf("registry: sweep: %w", err)
	}
	return swept, nil
}

func (d *Dir) living(want func(claim) bool) ([]Instance, error) {
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	var all []Instance
	for _, c := range claims(names, want) {
		l, err := d.life(c)
		if err != nil {
			return nil, err
		}
		if l != alive {
			continue
		}
		if i, err := d.read(c); err == nil { // else it just left, or someone wrote into the file
			all = append(all, i)
		}
	}
	all = append(all, d.granted(d.grants(names), want)...)
	sortInstances(all)
	return all, nil
}

// life is what is known of an instance by its lock file.
type life int

const (
	foreign life = iota // no such file any more, or not one that this package made
	dead
	alive
)

func (d *Dir) life(c claim) (life, error) {
	path := filepath.Join(d.path, c.lockFile())
	held, err := filelock.Held(path)
	switch {
	case err == nil && held:
		return alive, nil
	case err == nil:
		return dead, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return foreign, nil
	}
	if info, statErr := os.Lstat(path); statErr == nil && !info.Mode().IsRegular() {
		return foreign, nil
	}
	return foreign, fmt.Errorf("registry: %w", err) // too many open files, say: nothing is known then
}

// removeFiles removes, of the directory's files with the given names, those that belong to instances that are gone.
// The claims are locked.
func (d *Dir) removeFiles(names []string, gone func(claim) bool) error {
	var errs []error
	for _, n := range names {
		c, rest, ok := parseStem(n)
		if !ok || !gone(c) {
			continue
		}
		path := filepath.Join(d.path, n)
		if info, err := os.Lstat(path); err == nil && ours(n, rest, info.Mode()) {
			errs = append(errs, remove(path))
		}
	}
	return errors.Join(errs...)
}

// lockClaims keeps others from registering and sweeping until unlock is called.
func (d *Dir) lockClaims() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(d.path, claimsFile), os.O_RDWR|os.O_CREATE|openFlags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	if err := filelock.Lock(f, claimWait); err != nil {
		f.Close()
		return nil, fmt.Errorf("registry: %w", err)
	}
	return func() { f.Close() }, nil
}

// keep holds the directory while an entry is open: cleaners of temporary directories pass over a locked one
// (systemd-tmpfiles does), however old its files are.
func (d *Dir) keep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries++
	if d.entries == 1 {
		d.keeper = keepDir(d.path)
	}
}

func (d *Dir) unkeep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries--
	if d.entries == 0 && d.keeper != nil {
		d.keeper.Close()
		d.keeper = nil
	}
}

// remove removes a file that another may remove at the same time.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
