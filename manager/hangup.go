package manager

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"hotline/internal/logs"
)

// ReloadOnHangup does what each SIGHUP to this process asks for, until stop is called; that ends a reload which is under way and
// waits for it. The signal asks for a [Manager.Reload], one after the other, which says on Options.Stdout and in the log what it
// does, and why it can't. Where Options.Stdout is a terminal that has hung up the signal says just that: there is nobody any
// more to stop the manager by Ctrl-C, so a reload that is under way ends, and end is called. It is to end the context of
// [Manager.Run].
func (m *Manager) ReloadOnHangup(end func()) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	hangups := make(chan os.Signal, 1)
	reloads := make(chan struct{}, 1) // one that is asked for during a reload means another one
	signal.Notify(hangups, syscall.SIGHUP)
	var loops sync.WaitGroup
	loops.Go(func() {
		for {
			select {
			case <-hangups:
			case <-ctx.Done():
				return
			}
			if m.terminalGone() {
				cancel()
				end()
				return
			}
			select {
			case reloads <- struct{}{}:
			default:
			}
		}
	})
	loops.Go(func() {
		for {
			select {
			case <-reloads:
			case <-ctx.Done():
				return
			}
			m.log.Info().Msg("reload: asked for by SIGHUP")
			if _, err := m.Reload(ctx, false, nil); err != nil && ctx.Err() == nil {
				m.sayAs(m.log.Error(), "", "reload: "+logs.Clean(err.Error()))
			}
		}
	})
	return func() {
		signal.Stop(hangups)
		cancel()
		loops.Wait()
	}
}

// terminalGone reports whether the manager speaks to a terminal that has hung up.
func (m *Manager) terminalGone() bool {
	f, ok := m.options.Stdout.(*os.File)
	return ok && terminalGone(f)
}
