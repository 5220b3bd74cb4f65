package manager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/logs"
	"hotline/manager/internal/gobuild"
	"hotline/manager/internal/systemd"
	"hotline/registry"
)

// Options are what a Manager may be told. Nil and zero fields mean the defaults that they name.
type Options struct {
	// Dir is the runtime directory, as for [registry.Open].
	Dir string

	// Stdout takes what a person wants to see: progress, what is served, the ends of workers. It is written to by one goroutine
	// at a time, and may block, as a terminal that is stopped does: nothing waits for it but, for 2 s at most, the end of Run.
	// Lines for which there is no room meanwhile are left out, and how many is said. A Write that has not returned by then goes
	// on when Run has returned. Default: nowhere.
	Stdout io.Writer

	// Logger takes the same, and more, as events, which are in manager.log in any case. The goroutines that keep the workers call
	// it, so what it writes to must not block. Default: none.
	Logger *zerolog.Logger

	// Systemd makes the manager a service of systemd, where that started it: it takes the sockets that systemd opened for
	// it, says when its services are ready, what it does and when it stops, and answers the watchdog. It must be the
	// only manager of its process then.
	Systemd bool

	// CommandName is how the hotline command is called, for the commands that are shown. Default: "hotline".
	CommandName string

	// Example returns the arguments of an example call of a method, as the call command takes them, ready for a shell,
	// with a space before each; ok is false if there is none. Default: no example calls are shown.
	Example func(m *hotline.MethodInfo) (arguments string, ok bool)

	StartTimeout time.Duration // for a worker to be ready; default 5 minutes
	StopTimeout  time.Duration // from asking a worker to stop to killing it; default 12 s, a server drains for 10
	DrainTimeout time.Duration // for the calls of a worker that is replaced, or one too many, before it is asked to stop; default 5 minutes

	RestartMin    time.Duration // wait before the first restart; default 100 ms
	RestartMax    time.Duration // the wait doubles up to this; default 30 s
	RestartStable time.Duration // a worker that was ready for this long begins with RestartMin again; default 1 minute
}

// describeTimeout is how long a program may take to say what it serves.
const describeTimeout = time.Minute

// ErrStopping is the error of a command when the manager stops.
var ErrStopping = errors.New("the manager stops")

// Manager runs the services of a Config. Its methods may be called at once.
type Manager struct {
	options     Options
	log         zerolog.Logger // of events
	events      events         // where they go
	checkEvery  time.Duration  // between two looks at the workers' age, calls and memory
	loadEvery   time.Duration  // between two looks at what they have to do
	noticeEvery time.Duration  // between two words about a worker that is waited for
	lastWords   time.Duration  // for what was said to be written, when Run returns
	memoryOf    func(*process) (int64, error)

	// Set when Run has begun, before anything uses them.
	dir     *registry.Dir
	own     *logs.Log // of what the manager itself has to say; replaced by a reload
	env     []string  // of all workers, without HOTLINE_DIR
	builder *gobuild.Builder
	systemd *systemd.Parent // nil without Options.Systemd

	inherited time.Time // when this manager followed one that was killed; zero if it did not

	speaker speaker // to Stdout

	plans    atomic.Uint64  // reloads that have changed the sections
	changing chan struct{}  // holds a token while a command builds or changes what runs
	commands sync.WaitGroup // under way
	launched sync.WaitGroup // goroutines of sections

	mu       sync.Mutex
	config   *Config                 // under mu; replaced, not changed
	ran      bool                    // under mu
	running  context.Context         // under mu: ends when the manager stops; nil before it has begun
	stopping context.CancelCauseFunc // under mu
	pools    []*pool                 // under mu, in the order of the file; the slice is replaced, not changed
	tallies  []*tally                // under mu, of all sections that there were
}

// New returns a manager for a configuration, which must not be changed any more. Nil options mean the defaults.
func New(config *Config, options *Options) (*Manager, error) {
	m := &Manager{config: config, checkEvery: 5 * time.Second, loadEvery: loadEvery, noticeEvery: 10 * time.Second,
		lastWords: 2 * time.Second, memoryOf: (*process).memory, changing: make(chan struct{}, 1)}
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
		{"StopTimeout", &o.StopTimeout, 12 * time.Second},
		{"DrainTimeout", &o.DrainTimeout, 5 * time.Minute},
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
	m.speaker.to = o.Stdout
	m.events.also = o.Logger
	m.log = m.events.logger()
	if len(config.Services) == 0 {
		return nil, errors.New("manager: the configuration has no service")
	}
	return m, nil
}

// Run builds and runs the services until ctx ends, then stops them and returns nil. All that can be known to be wrong
// is found before the first worker is started, and is the error then: one for each thing, joined. A worker that ends
// is no error: it is started again. When Run returns, no process is left, and no
// file but the logs and a note of where they are. A manager runs once.
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
	defer m.speaker.finish(m.lastWords)
	stop, err := m.startSystemd()
	defer func() { stop(err) }()
	if err != nil {
		return err
	}
	if m.dir, err = registry.Open(m.options.Dir); err != nil {
		return err
	}
	unlock, inherited, err := lockDir(m.dir.Path(), m.config.File)
	if err != nil {
		return err
	}
	if inherited {
		m.inherited = time.Now()
	}
	defer func() { err = errors.Join(err, unlock()) }()
	own, err := m.openOwnLog(m.config)
	if err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	m.setOwnLog(own)
	defer m.closeOwnLog()
	m.noteVain(m.config)
	work, err := gobuild.NewWorkDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, work.Remove()) }()
	m.env, m.builder = baseEnviron(), gobuild.New(m.config.Dir, work, m.say)
	pools, err := m.prepare(ctx)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	m.changing <- struct{}{} // no command changes what runs before all of it does
	m.open(pools)
	if err = m.noteLogs(); err == nil {
		m.serve(ctx, func() { <-m.changing })
	} else {
		m.quiesce() // commands that came meanwhile
	}
	var closing sync.WaitGroup // side by side: each may have to wait for a file system
	for _, p := range m.allPools() {
		closing.Go(p.close)
	}
	closing.Wait()
	_, swept := m.dir.Sweep() // of those that had to be killed
	return errors.Join(err, swept)
}

// noteVain says what a file says in vain.
func (m *Manager) noteVain(c *Config) {
	if c.Monitor.Configured {
		m.sayAs(m.log.Warn(), "", fmt.Sprintf("%s: [web monitor] has no effect: there is no web page yet; use %s top, or /metrics on "+
			"control.sock in %s", c.File, m.options.CommandName, m.dir.Path()))
	}
}

// open lets commands and Status see the sections.
func (m *Manager) open(pools []*pool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pools = pools
	m.running, m.stopping = context.WithCancelCause(context.Background())
}

// quiesce ends the commands that are under way, and takes no more.
func (m *Manager) quiesce() {
	m.mu.Lock()
	m.stopping(ErrStopping)
	m.mu.Unlock()
	m.commands.Wait()
}

func (m *Manager) allPools() []*pool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pools
}

// dirOf returns the directory that workers run in.
func (m *Manager) dirOf() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.config.Dir
}

// unlessStopped returns err, or nil if the manager was told to stop before it had begun.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
