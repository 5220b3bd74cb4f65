package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// lookEvery is how often a file is looked for that someone has moved or removed.
const lookEvery = time.Second

// lineEnd is not changed.
var lineEnd = []byte("\n")

// file is the current file of a log, and those that it was before. It is used by one goroutine.
type file struct {
	path       string
	maxBytes   int64
	maxAge     time.Duration
	totalBytes int64

	file   *os.File
	size   int64
	born   time.Time // of its first line
	torn   bool      // it does not end with a line end
	looked time.Time
	stamp  string // of the newest rotation
}

// openFile opens the current file of a log to append to it.
func openFile(path string, o *Options) (*file, error) {
	f := &file{path: path, maxBytes: o.MaxBytes, maxAge: o.MaxAge, totalBytes: o.TotalBytes}
	if err := f.open(os.O_CREATE); err != nil {
		return nil, err
	}
	if all, err := listOld(path); err == nil && len(all) > 0 {
		f.stamp = all[len(all)-1].stamp
	}
	return f, nil
}

// open opens the file at the path, for reading too: its first line says how old it is, its last byte whether it was cut.
func (f *file) open(flag int) error {
	opened, err := openRegular(f.path, os.O_RDWR|os.O_APPEND|flag)
	if err != nil {
		return err
	}
	info, err := opened.Stat()
	if err != nil {
		opened.Close()
		return err
	}
	f.close()
	f.file, f.size, f.born, f.torn, f.looked = opened, info.Size(), time.Time{}, false, time.Now()
	if f.size > 0 {
		f.born = firstTime(opened, info.ModTime())
		last := make([]byte, 1)
		_, err := opened.ReadAt(last, f.size-1)
		f.torn = err == nil && last[0] != '\n'
	}
	return nil
}

// firstTime returns the time of the first line of a file, or other if it has none.
func firstTime(f *os.File, other time.Time) time.Time {
	head := make([]byte, timeAt+len(timeLayout))
	if _, err := f.ReadAt(head, 0); err != nil {
		return other
	}
	t, err := time.Parse(timeLayout, string(head[timeAt:]))
	if err != nil {
		return other
	}
	return t
}

// write writes whole lines, each with its end, and returns how many of them could not be written; none is left in part. The
// error can come with all lines written: the file could not be rotated then.
func (f *file) write(lines []byte) (lost int, err error) {
	now := time.Now()
	if err := f.find(now); err != nil {
		return bytes.Count(lines, lineEnd), err
	}
	var rotateErr error
	for len(lines) > 0 {
		n := f.fitting(lines, now)
		if n == 0 && rotateErr == nil {
			first := bytes.IndexByte(lines, '\n') + 1
			rotateErr = f.rotate(now, int64(first))
			if n = f.fitting(lines, now); n == 0 && rotateErr == nil { // a line longer than a file
				n = first
			}
		}
		if n == 0 { // a file that can't be rotated grows on, up to what all of them may have
			if n = wholeLines(lines, f.room(int64(len(lines)))); n == 0 {
				return bytes.Count(lines, lineEnd), rotateErr
			}
		}
		if kept, err := f.append(lines[:n], now); err != nil {
			return bytes.Count(lines[kept:], lineEnd), err
		}
		lines = lines[n:]
	}
	return 0, rotateErr
}

// find makes sure that the file is still the one at the path, and as long as it was: others may have moved, removed or
// truncated it.
func (f *file) find(now time.Time) error {
	if now.Sub(f.looked) < lookEvery {
		return nil
	}
	f.looked = now
	own, err := f.file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Lstat(f.path); err == nil && os.SameFile(own, there) {
		f.size = own.Size()
		return nil
	}
	if err := makeDir(filepath.Dir(f.path)); err != nil {
		return err
	}
	return f.open(os.O_CREATE)
}

// fitting returns the length of the lines that the file has room for: 0 if it must be rotated first.
func (f *file) fitting(lines []byte, now time.Time) int {
	if f.size > 0 && now.Sub(f.born) >= f.maxAge {
		return 0
	}
	return wholeLines(lines, f.maxBytes-f.size)
}

// wholeLines returns the length of the lines that there is room for.
func wholeLines(lines []byte, room int64) int {
	if room >= int64(len(lines)) {
		return len(lines)
	}
	return bytes.LastIndexByte(lines[:max(room, 0)], '\n') + 1
}

// room returns how much a file that can't be rotated may grow, after the oldest others have made room as far as they can be
// removed.
func (f *file) room(need int64) int64 {
	f.prune(f.size + need)
	left := f.totalBytes - f.size
	all, _ := listOld(f.path)
	for _, o := range all {
		left -= o.size
	}
	return left
}

// append writes lines at the end of the file, and returns how much of them is there: whole lines.
func (f *file) append(lines []byte, now time.Time) (kept int, err error) {
	if f.torn {
		if _, err := f.file.Write(lineEnd); err != nil {
			return 0, err
		}
		f.torn = false
		f.size++
	}
	if f.size == 0 {
		f.born = now
	}
	n, err := f.file.Write(lines)
	f.size += int64(n)
	if err == nil {
		return n, nil
	}
	kept = bytes.LastIndexByte(lines[:n], '\n') + 1
	if kept < n {
		f.cut(int64(n - kept))
	}
	return kept, err
}

// cut removes what was written of a line at the end of the file, if nothing stands behind it.
func (f *file) cut(n int64) {
	info, err := f.file.Stat()
	if err == nil && info.Size() == f.size && f.file.Truncate(f.size-n) == nil {
		f.size -= n
		return
	}
	f.torn = true
}

// rotate begins a new file, or goes on with one that another process has made meanwhile, and makes room for at least need bytes.
// After an error the old one is still the current one, or older ones could not be removed.
func (f *file) rotate(now time.Time, need int64) error {
	stamp := stampAfter(now, f.stamp)
	to := oldPath(f.path, stamp)
	if err := os.Rename(f.path, to); err != nil {
		return fmt.Errorf("rotate the log: %w", err)
	}
	if err := f.open(os.O_CREATE); err != nil {
		return errors.Join(fmt.Errorf("rotate the log: %w", err), os.Rename(to, f.path))
	}
	f.stamp = stamp
	return f.prune(need)
}

// stampAfter returns the stamp of a time, or one that is later than last: the clock may have been set back.
func stampAfter(now time.Time, last string) string {
	stamp := stampOf(now)
	if stamp > last {
		return stamp
	}
	t, err := time.Parse(stampLayout, last)
	if err != nil { // it was a stamp when it was read
		return stamp
	}
	return stampOf(t.Add(time.Microsecond))
}

func (f *file) trim() error { return f.prune(f.size) }

// prune removes the oldest files until all of them and the current one, when it has got as long as it may, or need bytes,
// are within the limit.
func (f *file) prune(need int64) error {
	all, err := listOld(f.path)
	if err != nil {
		return fmt.Errorf("remove old logs: %w", err)
	}
	total := max(f.maxBytes, need)
	for _, o := range all {
		total += o.size
	}
	for _, o := range all {
		if total <= f.totalBytes {
			break
		}
		if err := os.Remove(oldPath(f.path, o.stamp)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old logs: %w", err)
		}
		total -= o.size
	}
	return nil
}

func (f *file) close() {
	if f.file != nil {
		f.file.Close()
	}
}
