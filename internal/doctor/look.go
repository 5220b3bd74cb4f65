package doctor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"hotline/internal/filelock"
	"hotline/internal/spin"
	"hotline/internal/unixsock"
	"hotline/monitor"
	"hotline/registry"
)

// answerWait bounds how long a manager may take to answer.
const answerWait = 5 * time.Second

// Look gathers the facts for a runtime directory, as [registry.Open] finds it. It makes the directory where it is missing,
// as every command does, and changes nothing else.
func Look(ctx context.Context, dir string) *Facts {
	f := &Facts{
		OS: runtime.GOOS, CPUs: runtime.NumCPU(), Procs: runtime.GOMAXPROCS(0), ProcsSet: os.Getenv("GOMAXPROCS"), Quota: spin.Quota(),
		MaxWay: unixsock.MaxPath,
	}
	f.system()
	f.temporary()
	d, err := registry.Open(dir)
	if err != nil {
		f.DirError = err
		return f
	}
	f.Dir = placeOf(d.Path())
	f.LongestWay = d.LongestSocket()
	f.Dead, f.DeadError = d.Dead()
	f.OldLogs = oldFiles(filepath.Join(d.Path(), "logs"), time.Now().Add(-OldAfter))
	manager := f.askManager(ctx, d.Path())
	if all, err := d.List(); err == nil && f.ManagerError == nil { // else which manager they are of is not known
		f.workers(d.Path(), manager, all)
	}
	return f
}

func placeOf(path string) Place {
	p := Place{Path: path, Free: math.MaxUint64}
	if info, err := os.Stat(path); err == nil {
		p.Mode = info.Mode()
	}
	p.fill()
	return p
}

func (f *Facts) temporary() {
	path := os.Getenv("GOTMPDIR")
	if path == "" {
		path = os.TempDir()
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return
	}
	f.Temporary = placeOf(path)
	found, _ := filepath.Glob(filepath.Join(path, "hotline-build-*")) // the pattern is well formed
	for _, dir := range found {
		if held, err := filelock.Held(filepath.Join(dir, "lock")); err == nil && !held {
			f.OldBuilds = append(f.OldBuilds, dir)
		}
	}
}

// oldFiles returns the regular files of a directory that were last written before a time.
func oldFiles(dir string, before time.Time) (old []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // there is none
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
			old = append(old, filepath.Join(dir, e.Name()))
		}
	}
	return old
}

// askManager asks the manager what it runs, and returns its pid; 0 if there is none or it does not answer.
func (f *Facts) askManager(ctx context.Context, dir string) (pid int) {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	c, err := monitor.Dial(dir)
	if none := (*monitor.NoManagerError)(nil); errors.As(err, &none) {
		f.StaleControl = errors.Is(err, syscall.ECONNREFUSED)
		return 0
	}
	if err != nil {
		f.ManagerError = err
		return 0
	}
	defer c.Close()
	s, err := c.Status(ctx, "")
	if err != nil {
		f.ManagerError = err
		return 0
	}
	f.Manager = fmt.Sprintf("pid %d runs %s", s.Manager.PID, s.Manager.File)
	return s.Manager.PID
}
