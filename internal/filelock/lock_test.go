package filelock_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"hotline/internal/filelock"
)

// Two open files of one process are as foreign to each other as those of two processes.
func TestLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	want := func(what string, want, got bool, err error) {
		t.Helper()
		if got != want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", what, got, err, want)
		}
	}
	a, b := open(), open()
	held, err := filelock.Held(path)
	want("Held, nobody has it", false, held, err)
	ok, err := filelock.TryLock(a)
	want("TryLock", true, ok, err)
	ok, err = filelock.TryLock(b)
	want("TryLock of another", false, ok, err)
	ok, err = filelock.TryShare(b)
	want("TryShare of another", false, ok, err)
	held, err = filelock.Held(path)
	want("Held", true, held, err)
	if err := filelock.Lock(b, time.Millisecond); err == nil {
		t.Error("Lock of another: got no error")
	}
	go a.Close()
	if err := filelock.Lock(b, 30*time.Second); err != nil {
		t.Errorf("Lock, while the holder closes: %v", err)
	}
	b.Close()
	ok, err = filelock.TryShare(open())
	want("TryShare", true, ok, err)
	ok, err = filelock.TryShare(open())
	want("TryShare of another", true, ok, err)
	ok, err = filelock.TryLock(open())
	want("TryLock of a shared one", false, ok, err)
}

func TestHeldOfNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := filelock.Held(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("no file: got %v", err)
	}
	if _, err := filelock.Held(dir); err == nil {
		t.Error("a directory: got no error")
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "file"), link); err != nil {
		t.Skip("no symlinks here:", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Held(link); err == nil && os.PathSeparator == '/' {
		t.Error("a symlink: got no error")
	}
}
