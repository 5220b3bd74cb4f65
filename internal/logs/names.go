package logs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	suffix      = ".log"
	stampLayout = "20060102T150405.000000Z" // of UTC; the order of stamps is that of their bytes
)

// old is a file of a log that was rotated.
type old struct {
	stamp string // when; all its lines are older
	size  int64
	info  fs.FileInfo
}

// stampOf returns the stamp of a time.
func stampOf(t time.Time) string { return t.UTC().Format(stampLayout) }

// oldPath returns the path of the file of a log, whose current one is path, that was rotated at a time.
func oldPath(path, stamp string) string { return path + "." + stamp }

// listOld returns the rotated files of a log, oldest first.
func listOld(path string) ([]old, error) {
	dir, name := filepath.Split(path)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil, err
	}
	var all []old
	for _, entry := range entries {
		stamp, ok := strings.CutPrefix(entry.Name(), name+".")
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		if _, err := time.Parse(stampLayout, stamp); err != nil {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) { // removed since
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, old{stamp: stamp, size: info.Size(), info: info})
	}
	slices.SortFunc(all, func(a, b old) int { return strings.Compare(a.stamp, b.stamp) })
	return all, nil
}

// openRegular opens a file of a log. It must be a regular one, and no symlink to one: the directory may be one that others
// write to.
func openRegular(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|noFollow, 0o640)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
