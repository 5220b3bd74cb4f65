package monitor

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"hotline/manager"
)

// Serve loads a file and runs its services until ctx ends, as the whole work of a program: it is [Run], and the process's signals.
// SIGHUP reloads, or stops the manager where its terminal has hung up, see [manager.Manager.ReloadOnHangup]. A reader of the
// standard output that has gone, such as a pager that was left, stops nothing: what is said then is in the log alone. Nil options
// mean the defaults.
func Serve(ctx context.Context, file string, o *manager.Options) error {
	if o == nil {
		o = new(manager.Options)
	}
	config, err := manager.Load(file)
	if err != nil {
		return err
	}
	m, err := manager.New(config, o)
	if err != nil {
		return err
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer m.ReloadOnHangup(end)()
	defer surviveClosedOutput()()
	return Run(ctx, m, o.Dir, &Options{File: absolute})
}

// surviveClosedOutput lets a write to a standard output that nobody reads any more fail: a program that takes no note of SIGPIPE
// is ended by it. It is not ignored either, as the workers would inherit that.
func surviveClosedOutput() (stop func()) {
	nobody := make(chan os.Signal, 1) // which nobody reads
	signal.Notify(nobody, syscall.SIGPIPE)
	return func() { signal.Stop(nobody) }
}
