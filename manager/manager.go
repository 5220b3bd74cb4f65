package manager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/worker"
	"hotline/registry"
)

// Options are what a Manager may be told. Nil and zero fields mean the defaults that they name.
type Options struct {
	// Dir is the runtime directory, as for [registry.Open].
	Dir string

	// Stdout takes what a person wants to see: progress, what is served, the ends of workers. Default: nowhere.
	Stdout io.Writer

	// Logger takes the same as events. Default: none.
	Logger *zerolog.Logger

	// CommandName is how the hotline command is called, for the commands that are shown. Default: "hotline".
	CommandName string

	// Example returns the arguments of an example call of a method, as the call command takes them, ready for a shell,
	// with a space before each; ok is false if there is none. Default: no example calls are shown.
	Example func(m *hotline.MethodInfo) (arguments string, ok bool)

	StartTimeout time.Duration // for a worker to be ready; default 5 minutes
	DrainTimeout time.Duration // from asking a worker to stop to killing it; default 12 s, a server drains for 10

	RestartMin    time.Duration // wait before the first restart; default 100 ms
	RestartMax    time.Duration // the wait doubles up to this; default 30 s
	RestartStable time.Duration // a worker that was ready for this long begins with RestartMin again; default 1 minute
}

// describeTimeout is how long a program may take to say what it serves.
const describeTimeout = time.Minute

// Manager runs the services of a Config. Its methods may be called at once.
type Manager struct {
	config  *Config
	options Options
	log     zerolog.Logger

	outMu sync.Mutex // one text is written to Stdout at a time

	mu    sync.Mutex
	ran   bool    // under mu
	pools []*pool // under mu; the slice is replaced, not changed
}

// New returns a manager for a configuration, which must not be changed any more. Nil options mean the defaults.
func New(config *Config, options *Options) (*Manager, error) {
	m := &Manager{config: config, log: zerolog.Nop()}
	if options != nil {
		m.options = *options
	}
	o := &m.options
	for _, d := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"StartTimeout", &o.StartTimeout, 5 * time.Minute},
		{"DrainTimeout", &o.DrainTimeout, 12 * time.Second},
		{"RestartMin", &o.RestartMin, 100 * time.Millisecond},
		{"RestartMax", &o.RestartMax, 30 * time.Second},
		{"RestartStable", &o.RestartStable, time.Minute},
	} {
		if *d.value < 0 {
			return nil, fmt.Errorf("manager: Options.%s is %v: use a positive duration, or 0 for %v", d.name, *d.value, d.def)
		}
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if o.RestartMin > o.RestartMax {
		return nil, fmt.Errorf("manager: Options.RestartMin, %v, is over RestartMax, %v", o.RestartMin, o.RestartMax)
	}
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	if o.CommandName == "" {
		o.CommandName = "hotline"
	}
	if o.Logger != nil {
		m.log = *o.Logger
	}
	if len(config.Services) == 0 {
		return nil, errors.New("manager: the configuration has no service")
	}
	return m, nil
}

// Run builds and runs the services until ctx ends, then stops them and returns nil. All that can be known to be wrong
// is found before the first worker is started, and is the error then: one for each thing, joined. A worker that ends
// is no error: it is started again. When Run returns, no process is left, and no file but the logs. A manager runs once.
func (m *Manager) Run(ctx context.Context) (err error) {
	if err := supported(); err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	m.mu.Lock()
	ran := m.ran
	m.ran = true
	m.mu.Unlock()
	if ran {
		return errors.New("manager: Run was called before: make a new Manager to run again")
	}
	dir, err := registry.Open(m.options.Dir)
	if err != nil {
		return err
	}
	work, err := newWorkDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, work.remove()) }()
	b := &builder{config: m.config, work: work, say: m.say}
	paths, err := b.buildAll(ctx)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	pools, err := m.prepare(ctx, dir, paths)
	defer func() {
		for _, p := range pools {
			p.close()
		}
	}()
	if err != nil {
		return unlessStopped(ctx, err)
	}
	m.mu.Lock()
	m.pools = pools
	m.mu.Unlock()
	m.serve(ctx, pools)
	_, err = dir.Sweep() // of those that had to be killed
	return err
}

// unlessStopped returns err, or nil if the manager was told to stop before it had begun.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// prepare learns what each program serves and opens all that its workers need. The pools that it returns are to be
// closed in any case.
func (m *Manager) prepare(ctx context.Context, dir *registry.Dir, paths []string) ([]*pool, error) {
	if _, err := dir.Sweep(); err != nil {
		return nil, err
	}
	var pools []*pool
	for i := range m.config.Services {
		pools = append(pools, m.newPool(&m.config.Services[i], dir, paths[i]))
	}
	if err := describeAll(ctx, pools); err != nil {
		return pools, err
	}
	if err := errors.Join(checkClaims(pools, dir)...); err != nil {
		return pools, err
	}
	var errs []error
	for _, p := range pools {
		errs = append(errs, p.openListeners(), p.openLog(filepath.Join(dir.Path(), "logs")))
	}
	return pools, errors.Join(errs...)
}

func (m *Manager) newPool(s *Service, dir *registry.Dir, path string) *pool {
	p := &pool{manager: m, service: s, path: path, dir: m.config.Dir, ready: make(chan struct{})}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, worker.Env+"=") && !strings.HasPrefix(entry, "HOTLINE_DIR=") {
			p.env = append(p.env, entry)
		}
	}
	p.env = append(p.env, "HOTLINE_DIR="+dir.Path())
	o := &m.options
	for n := range s.MinProcNum {
		p.slots = append(p.slots, &slot{pool: p, number: n + 1, state: Starting, backoff: backoff{
			min: o.RestartMin, max: o.RestartMax, stable: o.RestartStable, random: rand.Float64,
		}})
	}
	return p
}

// stage is a run of sections that are started, and stopped, together.
type stage struct {
	pools   []*pool
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// stages cuts the sections behind each that has wait_until_completed.
func stages(pools []*pool) []*stage {
	all := []*stage{{}}
	for i, p := range pools {
		last := all[len(all)-1]
		last.pools = append(last.pools, p)
		if p.service.WaitUntilCompleted && i < len(pools)-1 {
			all = append(all, &stage{})
		}
	}
	return all
}

// serve starts the stages one after the other, waits for the end of ctx, and stops them the other way round.
func (m *Manager) serve(ctx context.Context, pools []*pool) {
	all := stages(pools)
	begun := 0
	for _, s := range all {
		if ctx.Err() != nil {
			break
		}
		begun++
		var own context.Context
		own, s.stop = context.WithCancel(context.WithoutCancel(ctx))
		for _, p := range s.pools {
			for _, w := range p.slots {
				s.workers.Go(func() { w.run(own) })
			}
		}
		if last := s.pools[len(s.pools)-1]; last.service.WaitUntilCompleted {
			last.awaitReady(ctx)
		}
	}
	for _, p := range pools {
		p.awaitReady(ctx)
	}
	if ctx.Err() == nil {
		services := 0
		for _, p := range pools {
			services += len(p.services)
		}
		m.say("ready: %s; stop with Ctrl-C", count(services, "service"))
	}
	<-ctx.Done()
	m.say("stopping ...")
	for _, s := range slices.Backward(all[:begun]) {
		s.stop()
		s.workers.Wait()
	}
	m.say("stopped")
}

// say writes a line, or several, for people.
func (m *Manager) say(format string, args ...any) {
	m.outMu.Lock()
	defer m.outMu.Unlock()
	fmt.Fprintf(m.options.Stdout, format+"\n", args...)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprint(n, " ", what, "s")
}
