package gobuild

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWorkDirsOfTheDeadAreRemoved(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("GOTMPDIR", parent)
	left := filepath.Join(parent, workPrefix+"left")
	if err := os.MkdirAll(filepath.Join(left, "0-Server"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{workLock, "0-Server/main.go"} {
		if err := os.WriteFile(filepath.Join(left, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(parent, workPrefix+"empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(parent, workPrefix+"foreign")
	if err := os.MkdirAll(filepath.Join(foreign, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	first, err := NewWorkDir()
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewWorkDir()
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 { // both, and the one that was not made by a manager
		t.Errorf("got %v", all)
	}
	if _, err := os.Stat(first.path); err != nil {
		t.Errorf("the second removed the first one's: %v", err)
	}
	if err := first.Remove(); err != nil {
		t.Error(err)
	}
	if err := second.Remove(); err != nil {
		t.Error(err)
	}
	if all, err := os.ReadDir(parent); err != nil || len(all) != 1 || filepath.Join(parent, all[0].Name()) != foreign {
		t.Errorf("in the end %v is there, %v", all, err)
	}
}
