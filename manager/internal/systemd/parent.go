package systemd

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// Parent is the systemd that started this process: what it is told, and what it gave. Where systemd did not start it, nothing is
// said and there is nothing. Its methods may be called at once; a nil *Parent is none.
type Parent struct {
	failed func(error) // told of what could not be said

	mu      sync.Mutex
	sockets []*Socket // under mu
	up      bool      // under mu: ready has been said
}

// New takes over the sockets that systemd passed to this process, and the variables that tell of them. failed takes what
// goes wrong later, when systemd is to be told something.
func New(failed func(error)) (*Parent, error) {
	return NewWithFiles(activation.Files(true), failed)
}

// NewWithFiles is New for files that are there already, which it takes over.
func NewWithFiles(files []*os.File, failed func(error)) (*Parent, error) {
	p := &Parent{failed: failed}
	if err := p.adopt(files); err != nil {
		return nil, err
	}
	return p, nil
}

// say sends lines to systemd.
func (p *Parent) say(lines ...string) {
	if p == nil {
		return
	}
	if _, err := daemon.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		p.failed(fmt.Errorf("tell systemd %s: %w", lines[0], err))
	}
}

// Status says in one line what the service does.
func (p *Parent) Status(format string, args ...any) { p.say(statusLine(format, args...)) }

func statusLine(format string, args ...any) string {
	return "STATUS=" + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
}

// Ready says that the service is ready, and in one line what it does.
func (p *Parent) Ready(format string, args ...any) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.up = true
	p.mu.Unlock()
	p.say(daemon.SdNotifyReady, statusLine(format, args...))
}

// Stopping says that the service stops.
func (p *Parent) Stopping() { p.say(daemon.SdNotifyStopping, "STATUS=stopping") }

// Reloading says that the configuration is read again. ended, which is to be called however that ends, says ready, with what
// status returns. Before the services have been ready for the first time nothing is said: it would say that they are.
func (p *Parent) Reloading(status func() string) (ended func()) {
	if p == nil {
		return func() {}
	}
	p.mu.Lock()
	up := p.up
	p.mu.Unlock()
	if !up {
		return func() {}
	}
	p.say(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()), "STATUS=reloading")
	return func() { p.Ready("%s", status()) }
}

// statusEvery is how often systemd is told what has changed, where no watchdog is to be answered more often.
const statusEvery = 5 * time.Second

// Watch tells systemd what the service does, when that has changed, and its watchdog twice in its time that the service
// works: each time after look has returned, which goes to all that the service has. Where look hangs, or the process does,
// systemd hears nothing and acts. It returns when ctx has ended, which is when look may return an error.
func (p *Parent) Watch(ctx context.Context, look func(context.Context) (string, error)) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil && p != nil {
		p.failed(fmt.Errorf("answer systemd's watchdog: %w", err))
	}
	every := statusEvery
	if limit > 0 {
		every = min(every, limit/2)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for last := ""; ; {
		line, err := look(ctx)
		if err != nil {
			return
		}
		var lines []string
		if line != last {
			last = line
			lines = append(lines, statusLine("%s", line))
		}
		if limit > 0 {
			lines = append(lines, daemon.SdNotifyWatchdog)
		}
		if len(lines) > 0 {
			p.say(lines...)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
