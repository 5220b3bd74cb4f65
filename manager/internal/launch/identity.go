package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"hotline/internal/fileowner"
)

// Identity is the user that a process runs as. A nil *Identity is who the caller runs as.
type Identity struct {
	UID    int
	GID    int
	Groups []int
	Name   string // its number, where the system knows no name
	Home   string
}

// Lookup returns the identity of a user and a group, as the system's files say now: nil where that is who the caller runs as.
// Both may be names or numbers; an empty user is the caller's own, an empty group that of the user. Its error is an [*Error] of
// "user" or "group".
func Lookup(account, group string) (*Identity, error) {
	if account == "" && group == "" {
		return nil, nil
	}
	id := &Identity{UID: os.Geteuid(), GID: os.Getegid()}
	if account != "" {
		if err := id.become(account, group != ""); err != nil {
			return nil, &Error{"user", err}
		}
	}
	if group != "" {
		gid, err := lookupGroup(group)
		if err != nil {
			return nil, &Error{"group", err}
		}
		id.GID = gid
	}
	if os.Geteuid() == 0 {
		return id, nil
	}
	switch { // no other may change its groups either, so those stay as they are
	case id.UID != os.Geteuid():
		return nil, &Error{"user", errNotRoot}
	case group != "" && id.GID != os.Getegid():
		return nil, &Error{"group", errNotRoot}
	}
	return nil, nil
}

// errNotRoot is why a process can't run as another user.
var errNotRoot = errors.New("only root can start workers as another user or group: run the manager as root, or remove the key")

// become takes over what the system knows of a user. Of one that it has only a number of it knows no group.
func (id *Identity) become(account string, hasGroup bool) error {
	u, err := user.Lookup(account)
	number, isNumber := strconv.Atoi(account)
	if isNumber == nil {
		u, err = user.LookupId(account)
	}
	if err != nil {
		if isNumber == nil && hasGroup {
			id.UID, id.Name, id.Home = number, account, "/"
			return nil
		}
		mend := "make it (useradd), or name another"
		if isNumber == nil {
			mend = "add group, as nothing else says which group it is in"
		}
		return fmt.Errorf("there is no user %s on this machine: %w: %s", account, err, mend)
	}
	id.Name, id.Home = u.Username, u.HomeDir
	if id.UID, err = strconv.Atoi(u.Uid); err != nil {
		return fmt.Errorf("user %s has the number %q: %w", account, u.Uid, err)
	}
	if id.GID, err = strconv.Atoi(u.Gid); err != nil {
		return fmt.Errorf("user %s has the group %q: %w", account, u.Gid, err)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("find the groups of user %s: %w", account, err)
	}
	for _, g := range groups {
		n, err := strconv.Atoi(g)
		if err != nil {
			return fmt.Errorf("user %s has the group %q: %w", account, g, err)
		}
		id.Groups = append(id.Groups, n)
	}
	return nil
}

func lookupGroup(account string) (int, error) {
	if n, err := strconv.Atoi(account); err == nil {
		return n, nil
	}
	g, err := user.LookupGroup(account)
	if err != nil {
		return 0, fmt.Errorf("there is no group %s on this machine: %w: make it (groupadd), or name another", account, err)
	}
	return strconv.Atoi(g.Gid)
}

// Foreign reports whether the identity is not the user that the caller runs as.
func (id *Identity) Foreign() bool { return id != nil && id.UID != os.Geteuid() }

// Environ returns what the environment of a process of this user says of it.
func (id *Identity) Environ() map[string]string {
	if id == nil || id.Name == "" {
		return nil
	}
	return map[string]string{"USER": id.Name, "LOGNAME": id.Name, "HOME": id.Home}
}

// CheckReach reports a directory on the way to path that the identity can't enter by its mode, which else is told by a
// "permission denied" that says of no directory.
func (id *Identity) CheckReach(path string) error {
	if !id.Foreign() {
		return nil
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	var above []string
	for dir := path; ; dir = filepath.Dir(dir) {
		above = append(above, dir)
		if dir == filepath.Dir(dir) {
			break
		}
	}
	for i := len(above) - 1; i >= 0; i-- {
		info, err := os.Stat(above[i])
		if err != nil {
			return err
		}
		if info.IsDir() && !id.mayEnter(info) {
			return fmt.Errorf("user %s can't enter %s (mode %#o), which %s is in: %w: chmod o+x it, or use another directory",
				id.Name, above[i], info.Mode().Perm(), path, fs.ErrPermission)
		}
	}
	return nil
}

// mayEnter reports what the mode of a directory says. An access list may say more: it shows in the mode's group bits.
func (id *Identity) mayEnter(info fs.FileInfo) bool {
	uid, gid, ok := fileowner.Of(info)
	if !ok || id.UID == 0 {
		return true
	}
	mode := info.Mode().Perm()
	switch {
	case uid == id.UID:
		return mode&0o100 != 0
	case gid == id.GID:
		return mode&0o010 != 0
	}
	for _, g := range id.Groups {
		if gid == g {
			return mode&0o010 != 0
		}
	}
	return mode&0o001 != 0
}
