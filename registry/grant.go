package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hotline/internal/filelock"
)

// Grant lets processes of another user serve some services where those of this directory's user find them: in a
// directory of that user's, below this one, which [Dir.Lookup] and [Dir.List] look into. What is registered there under
// any other name or port is not seen, so a user can pose only as what it was granted. It ends with Close or with the
// process. Its methods may be called at once.
//
// Only root can grant, and only root's processes can look. Processes of the other user open [Grant.Path] as their
// runtime directory and see what is registered there, by whichever of them.
type Grant struct {
	dir   *Dir
	uid   int
	path  string
	locks []*os.File // one for each service
	once  sync.Once
	err   error
}

// grant is what the name of a grant's lock file says.
type grant struct {
	claim claim // its id is the grant's
	uid   int
}

func (g grant) file() string {
	return fmt.Sprintf("%s.%s.%s.u%d", g.claim.port, g.claim.key(), g.claim.id, g.uid)
}

// maxForeign bounds how many names are read of a directory that another user fills.
const maxForeign = 4096

// Grant grants services, of which it takes Name, Port and Version, to a user, whose directory gets the given group. It
// lets all users pass through this directory (mode 0711), whose files stay closed to them.
func (d *Dir) Grant(uid, gid int, services []Instance) (_ *Grant, err error) {
	g := &Grant{dir: d, uid: uid, path: d.annexPath(uid)}
	defer func() {
		if err != nil {
			err = fmt.Errorf("registry: let user %d serve: %w", uid, err)
		}
	}()
	unlock, err := d.lockClaims()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for i := range services {
		err = errors.Join(err, services[i].check(), (&Dir{path: g.path}).checkLength(services[i].Port))
	}
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chmod(d.path, 0o711), d.makeAnnex(uid, gid)); err != nil {
		return nil, err
	}
	for i := range services {
		major, _ := Major(services[i].Version) // checked
		c := claim{port: services[i].Port, id: newID(), name: services[i].Name, major: major}
		if err := d.refuseConflict(c); err != nil {
			return nil, errors.Join(err, g.closeLocked())
		}
		if err := g.lock(grant{c, uid}); err != nil {
			return nil, errors.Join(err, g.closeLocked())
		}
	}
	return g, nil
}

// Path returns the user's runtime directory.
func (g *Grant) Path() string { return g.path }

// Close ends the grant, and removes the user's directory unless another grant needs it. The processes that served by it
// should have ended: they are not found any more. Calls after the first do nothing.
func (g *Grant) Close() error {
	g.once.Do(func() {
		unlock, err := g.dir.lockClaims()
		if err != nil {
			g.err = err
			return
		}
		defer unlock()
		g.err = g.closeLocked()
	})
	return g.err
}

// closeLocked is Close under the lock on claims.
func (g *Grant) closeLocked() (err error) {
	for _, f := range g.locks {
		err = errors.Join(err, remove(f.Name()), f.Close())
	}
	return errors.Join(err, g.dir.sweepGrants())
}

// lock makes the file of a grant, and holds it.
func (g *Grant) lock(what grant) error {
	f, err := os.OpenFile(filepath.Join(g.dir.path, what.file()), os.O_RDWR|os.O_CREATE|os.O_EXCL|openFlags, 0o600)
	if err != nil {
		return err
	}
	g.locks = append(g.locks, f)
	return filelock.Lock(f, claimWait)
}

func (d *Dir) annexPath(uid int) string { return filepath.Join(d.path, "u"+strconv.Itoa(uid)) }

// makeAnnex makes the directory of a user where it is missing.
func (d *Dir) makeAnnex(uid, gid int) error {
	path := d.annexPath(uid)
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		return errors.Join(err, fmt.Errorf("%s is no directory: remove it", path))
	}
	return os.Lchown(path, uid, gid)
}

// parseGrant is the inverse of grant.file.
func parseGrant(file string) (g grant, ok bool) {
	at := strings.LastIndex(file, ".u")
	if at < 0 {
		return g, false
	}
	rest, uid := file[:at], file[at+len(".u"):]
	if at = strings.LastIndexByte(rest, '.'); at < 0 {
		return g, false
	}
	g.claim.id, rest = rest[at+1:], rest[:at]
	port, key, _ := strings.Cut(rest, ".")
	if at = strings.LastIndexByte(key, '@'); at < 0 {
		return g, false
	}
	g.claim.port, g.claim.name, g.claim.major = port, key[:at], key[at+1:]
	n, err := strconv.ParseUint(uid, 10, 31)
	g.uid = int(n)
	major, majorErr := Major(g.claim.major)
	_, idErr := idEncoding.DecodeString(g.claim.id)
	ok = err == nil && idErr == nil && len(g.claim.id) == idLength && majorErr == nil && major == g.claim.major && CheckPort(port) == nil && CheckName(g.claim.name) == nil
	return g, ok && g.file() == file
}

// grants returns the grants that hold, of a directory with these names.
func (d *Dir) grants(names []string) (all []grant) {
	for _, n := range names {
		g, ok := parseGrant(n)
		if !ok {
			continue
		}
		if held, err := filelock.Held(filepath.Join(d.path, n)); err == nil && held {
			all = append(all, g)
		}
	}
	return all
}

// granted returns the living instances that other users serve by these grants. What stands in their directories was
// written by them: no error comes of it, and no address leads out of it but to a port.
func (d *Dir) granted(grants []grant, want func(claim) bool) (all []Instance) {
	for uid, mine := range byUser(grants) {
		annex := &Dir{path: d.annexPath(uid)}
		for _, c := range claims(annex.someNames(), want) {
			if !slices.ContainsFunc(mine, func(g grant) bool { return g.claim.port == c.port && g.claim.key() == c.key() }) {
				continue
			}
			if l, err := annex.life(c); err != nil || l != alive {
				continue
			}
			if i, err := annex.read(c); err == nil {
				i.Addresses = slices.DeleteFunc(i.Addresses, annex.isElsewhere)
				all = append(all, i)
			}
		}
	}
	return all
}

func byUser(grants []grant) map[int][]grant {
	users := map[int][]grant{}
	for _, g := range grants {
		users[g.uid] = append(users[g.uid], g)
	}
	return users
}

// someNames returns at most maxForeign names of files.
func (d *Dir) someNames() []string {
	f, err := os.Open(d.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxForeign)
	return names
}

// isElsewhere reports whether an address is a socket's that is not in this directory.
func (d *Dir) isElsewhere(address string) bool {
	scheme, path, _ := strings.Cut(address, "://")
	return scheme != "tcp" && scheme != "tls" && filepath.Dir(filepath.Clean(path)) != d.path
}

// sweepGrants removes what grants that ended have left: their files, and the directories of users who have no other.
// The claims are locked.
func (d *Dir) sweepGrants() error {
	names, err := d.names()
	if err != nil {
		return err
	}
	users := byUser(d.grants(names))
	var errs []error
	for _, n := range names {
		path := filepath.Join(d.path, n)
		info, err := os.Lstat(path)
		if err != nil {
			continue
		}
		if _, ok := parseGrant(n); ok && info.Mode().IsRegular() {
			if held, err := filelock.Held(path); err == nil && !held {
				errs = append(errs, remove(path))
			}
			continue
		}
		uid, err := strconv.ParseUint(strings.TrimPrefix(n, "u"), 10, 31)
		if err != nil || d.annexPath(int(uid)) != path || !info.IsDir() || !belongsTo(info, int(uid)) {
			continue
		}
		if _, has := users[int(uid)]; !has {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// grantee returns an instance that serves by the grant, or where none does what the grant says of one.
func (d *Dir) grantee(g grant) Instance {
	same := func(c claim) bool { return c.port == g.claim.port && c.key() == g.claim.key() }
	if all := d.granted([]grant{g}, same); len(all) > 0 {
		return all[0]
	}
	return Instance{ID: g.claim.id, Name: g.claim.name, Port: g.claim.port, Version: g.claim.major}
}

// annexStamp returns what differs when the directory of a user has changed; unsettled, when one changed just now. This
// directory has changed last at the given time.
func (d *Dir) annexStamp(changed time.Time) (sum int64, unsettled bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.usersAt.Equal(changed) { // whoever is granted, or is not any more, changes this directory
		names, err := d.names()
		if err != nil {
			return 0, false, err
		}
		d.users, d.usersAt = slices.Sorted(maps.Keys(byUser(d.grants(names)))), changed
	}
	for _, uid := range d.users {
		info, err := os.Stat(d.annexPath(uid))
		if err != nil {
			continue // its grant ended just now
		}
		age := time.Since(info.ModTime()) // which its user may have set to anything
		unsettled = unsettled || 0 <= age && age < settled
		sum += info.ModTime().UnixNano()
	}
	return sum, unsettled, nil
}
