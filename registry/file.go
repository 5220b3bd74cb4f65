package registry

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	idLength   = 8        // of an instance's id, base 32: 40 random bits
	maxKind    = 4        // of a socket's kind: "shm", "unix"
	maxEntry   = 64 << 10 // bytes of a JSON file that a reader takes
	claimsFile = ".claims"
)

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newID returns an id that no instance has had: clients may still know the addresses of one that is gone.
func newID() string {
	var b [idLength * 5 / 8]byte
	rand.Read(b[:]) // never fails
	return idEncoding.EncodeToString(b[:])
}

// claim is what the name of a lock file says.
type claim struct{ port, id, name, major string }

func (c claim) key() string      { return c.name + "@" + c.major }
func (c claim) stem() string     { return c.port + "-" + c.id }
func (c claim) lockFile() string { return c.stem() + "." + c.key() + ".lock" }
func (c claim) jsonFile() string { return c.stem() + ".json" }

// matches reports whether key asks for this claim: its port, its name or its name@major.
func (c claim) matches(key string) bool { return key == c.port || key == c.name || key == c.key() }

// conflicts reports whether the two can't be registered at once.
func (c claim) conflicts(d claim) bool {
	return c.port == d.port && c.key() != d.key() || c.port != d.port && c.key() == d.key()
}

// parseClaim is the inverse of lockFile. It reports false for any other file.
func parseClaim(file string) (claim, bool) {
	file, isLock := strings.CutSuffix(file, ".lock")
	if !isLock {
		return claim{}, false
	}
	c, key, ok := parseStem(file)
	at := strings.LastIndexByte(key, '@')
	if !ok || at < 0 {
		return claim{}, false
	}
	c.name, c.major = key[:at], key[at+1:]
	major, err := Major(c.major)
	return c, CheckName(c.name) == nil && err == nil && major == c.major
}

// parseStem splits the name of any file of an instance into its port and id, and the rest after the first dot.
func parseStem(file string) (c claim, rest string, ok bool) {
	stem, rest, ok := strings.Cut(file, ".")
	at := strings.LastIndexByte(stem, '-')
	if !ok || at < 0 || len(stem)-at-1 != idLength {
		return c, "", false
	}
	c.port, c.id = stem[:at], stem[at+1:]
	if _, err := idEncoding.DecodeString(c.id); err != nil || CheckPort(c.port) != nil {
		return c, "", false
	}
	return c, rest, true
}

// ours reports whether a file of this name and mode is one that instances have, so that it may be removed when they
// are gone. rest is what parseStem returned for the name.
func ours(name, rest string, mode os.FileMode) bool {
	if strings.HasSuffix(rest, ".lock") {
		_, ok := parseClaim(name)
		return ok && mode.IsRegular()
	}
	if rest == "json" || rest == "json.tmp" {
		return mode.IsRegular()
	}
	isKind := rest != "" && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz") == "" && len(rest) <= maxKind
	return isKind && (mode.Type() == os.ModeSocket || mode.Type() == os.ModeIrregular) // irregular on Windows
}

// names returns the names of the directory's files, in no order.
func (d *Dir) names() ([]string, error) {
	f, err := os.Open(d.path)
	if err != nil {
		return nil, fmt.Errorf("registry: read directory: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("registry: read directory: %w", err)
	}
	return names, nil
}

// claims returns those of the named lock files for which want is true.
func claims(names []string, want func(claim) bool) []claim {
	var all []claim
	for _, n := range names {
		if c, ok := parseClaim(n); ok && want(c) {
			all = append(all, c)
		}
	}
	return all
}

// read returns the instance that c's JSON file tells of. Whatever does not agree with the lock file's name is an
// error: the file was not written by this package. One that is no regular file is not read: a FIFO may never end.
func (d *Dir) read(c claim) (Instance, error) {
	f, err := os.OpenFile(filepath.Join(d.path, c.jsonFile()), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return Instance{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return Instance{}, errors.Join(err, errors.New("the entry is no regular file"))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxEntry))
	if err != nil {
		return Instance{}, err
	}
	var i Instance
	if err := json.Unmarshal(data, &i); err != nil {
		return Instance{}, err
	}
	if i.ID != c.id || i.Port != c.port || i.Key() != c.key() || i.State == "" {
		return Instance{}, errors.New("the entry says something else than its file's name")
	}
	return i, nil
}

// write replaces c's JSON file as a whole. Only the holder of c's lock may call it, one call at a time.
func (d *Dir) write(c claim, i *Instance) error {
	data, err := json.Marshal(i)
	if err != nil {
		return err
	}
	if len(data) >= maxEntry {
		return fmt.Errorf("the entry has %d bytes, the limit is %d: give fewer addresses", len(data), maxEntry)
	}
	path := filepath.Join(d.path, c.jsonFile())
	if err := os.WriteFile(path+".tmp", data, 0o600); err != nil {
		return err
	}
	return replace(path+".tmp", path)
}

// replace renames, and tries again where a reader that has the old file open is in the way, as on Windows.
func replace(from, to string) error {
	for pause := time.Millisecond; ; pause *= 2 {
		err := os.Rename(from, to)
		if err == nil || !renameBusy(err) || pause > time.Second {
			return err
		}
		time.Sleep(pause)
	}
}
