package hotline_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"hotline"
	"hotline/internal/wait"
)

var schedules = flag.Int("schedules", 12, "how many random schedules TestFleet follows over each transport")

// errand is one call of a fleet's schedule. Times are in tenths of a millisecond.
type errand struct {
	Kind   errandKind
	Start  int
	Runs   int  // how long its method takes, or its streams before each item
	Items  int  // of its stream
	Break  int  // items after which a loop over the stream is left; less than 0 for never
	Cancel int  // after its start; less than 0 for never
	Fails  bool // its method returns errFleet
}

type errandKind int

const (
	errandOnce  errandKind = iota
	errandMore             // idempotent
	errandNote             // one-way
	errandCount            // the server streams
	errandSum              // the client streams
	errandKinds
)

// loss ends an instance, of which there are as many as losses and one that lives on.
type loss struct {
	At    int
	Drain bool // by Shutdown; otherwise by Close, which cuts its links
}

// fleet is a schedule: what is called, and which instances go away meanwhile.
type fleet struct {
	Errands []errand
	Losses  []loss
}

var errFleet = errors.New("as planned")

func drawFleet(t *rapid.T) fleet {
	return fleet{
		Errands: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) errand {
			return errand{
				Kind:   errandKind(rapid.IntRange(0, int(errandKinds)-1).Draw(t, "kind")),
				Start:  rapid.IntRange(0, 60).Draw(t, "start"),
				Runs:   rapid.SampledFrom([]int{0, 0, 3, 20}).Draw(t, "runs"),
				Items:  rapid.IntRange(0, 20).Draw(t, "items"),
				Break:  rapid.OneOf(rapid.Just(-1), rapid.IntRange(0, 5)).Draw(t, "break"),
				Cancel: rapid.OneOf(rapid.Just(-1), rapid.IntRange(0, 30)).Draw(t, "cancel"),
				Fails:  rapid.Bool().Draw(t, "fails"),
			}
		}), 1, 60).Draw(t, "errands"),
		Losses: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) loss {
			return loss{rapid.IntRange(0, 80).Draw(t, "at"), rapid.Bool().Draw(t, "drain")}
		}), 0, 2).Draw(t, "losses"),
	}
}

// graceful reports whether no instance is cut off.
func (f *fleet) graceful() bool {
	for _, l := range f.Losses {
		if !l.Drain {
			return false
		}
	}
	return true
}

// givesUp reports whether a caller may leave its call before its end.
func (f *fleet) givesUp() bool {
	return slices.ContainsFunc(f.Errands, func(e errand) bool { return e.Cancel >= 0 || e.Break >= 0 })
}

type fleetMethods struct {
	Once  func(ctx context.Context, id int) error
	More  func(ctx context.Context, id int) error `idempotent:"true"`
	Note  func(ctx context.Context, id int) error `oneway:"true"`
	Count func(ctx context.Context, id int) iter.Seq2[int, error]
	Sum   func(ctx context.Context, id int, items iter.Seq[int]) (int, error)
}

// fleetServer is one of the instances. All of one run share what they count.
type fleetServer struct {
	hotline.ServerMethodsBase `port:"5572" name:"fleet"`
	run                       *fleetRun
}

type fleetClient struct {
	hotline.ClientMethodsBase `name:"fleet"`
	fleetMethods
}

// fleetRun is a schedule being followed.
type fleetRun struct {
	*fleet
	executed []atomic.Int32
	received []int   // items of a stream that came, at the client or in the method
	errs     []error // what the callers were told
	broke    []bool  // the loop over the stream was left

	mu    sync.Mutex
	wrong []error // guarded by mu
}

func (r *fleetRun) complain(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Errorf(format, args...))
}

func tenths(n int) time.Duration { return time.Duration(n) * 100 * time.Microsecond }

func (s *fleetServer) Once(_ context.Context, id int) error {
	s.run.executed[id].Add(1)
	e := &s.run.Errands[id]
	time.Sleep(tenths(e.Runs))
	if e.Fails {
		return errFleet
	}
	return nil
}

func (s *fleetServer) More(ctx context.Context, id int) error { return s.Once(ctx, id) }

func (s *fleetServer) Note(ctx context.Context, id int) error { return s.Once(ctx, id) }

func (s *fleetServer) Count(ctx context.Context, id int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		s.run.executed[id].Add(1)
		e := &s.run.Errands[id]
		for n := range e.Items {
			time.Sleep(tenths(e.Runs) / 10)
			if !yield(n, nil) {
				return
			}
		}
		if e.Fails {
			yield(0, errFleet)
		}
	}
}

func (s *fleetServer) Sum(ctx context.Context, id int, items iter.Seq[int]) (int, error) {
	s.run.executed[id].Add(1)
	n := 0
	for item := range items {
		if item != n {
			s.run.complain("errand %d: item %d came as number %d", id, item, n)
		}
		n++
	}
	if s.run.Errands[id].Fails {
		return 0, errFleet
	}
	return n, nil
}

// do runs one errand.
func (r *fleetRun) do(c *fleetClient, id int) {
	e := &r.Errands[id]
	time.Sleep(tenths(e.Start))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if e.Cancel >= 0 {
		defer time.AfterFunc(tenths(e.Cancel), cancel).Stop()
	}
	switch e.Kind {
	case errandOnce:
		r.errs[id] = c.Once(ctx, id)
	case errandMore:
		r.errs[id] = c.More(ctx, id)
	case errandNote:
		r.errs[id] = c.Note(ctx, id)
	case errandCount:
		r.count(ctx, c, id)
	case errandSum:
		n, err := c.Sum(ctx, id, func(yield func(int) bool) {
			for n := 0; n < e.Items && yield(n); n++ {
				time.Sleep(tenths(e.Runs) / 10)
			}
		})
		if r.errs[id] = err; err == nil && n != e.Items {
			r.complain("errand %d: %d of %d items came", id, n, e.Items)
		}
	}
}

func (r *fleetRun) count(ctx context.Context, c *fleetClient, id int) {
	e := &r.Errands[id]
	for item, err := range c.Count(ctx, id) {
		if err != nil {
			r.errs[id] = err
			return
		}
		if item != r.received[id] {
			r.complain("errand %d: item %d came as number %d", id, item, r.received[id])
		}
		if r.received[id]++; r.received[id] == e.Break {
			r.broke[id] = true
			return
		}
	}
}

// check holds what each caller was told against how often its method was entered.
func (r *fleetRun) check(id int) {
	e, err, n := &r.Errands[id], r.errs[id], r.executed[id].Load()
	var remote *hotline.Error
	planned := errors.As(err, &remote) && remote.Message == errFleet.Error()
	given := errors.Is(err, context.Canceled) || errors.As(err, &remote) && !planned && e.Cancel >= 0
	maybe, not := errors.Is(err, hotline.ErrMaybeExecuted), errors.Is(err, hotline.ErrNotExecuted)
	least, most := int32(1), int32(1)
	switch {
	case err == nil && e.Kind == errandNote:
		least = 0
		if len(r.Losses) == 0 && e.Cancel < 0 {
			least = 1
		}
	case r.broke[id]:
	case err == nil && e.Fails:
		r.complain("errand %d: it went well, and its method failed", id)
	case err == nil, planned:
		if e.Kind == errandCount && r.received[id] != e.Items && e.Cancel < 0 {
			r.complain("errand %d: %d of %d items came before %v", id, r.received[id], e.Items, err)
		}
	case not:
		least, most = 0, 0
	case maybe, given:
		least = 0
		if e.Cancel < 0 && r.graceful() {
			r.complain("errand %d, whose instances all ended in order: %v", id, err)
		}
	default:
		least = 0
		if r.graceful() && e.Cancel < 0 {
			r.complain("errand %d: %v", id, err)
		}
	}
	if not && e.Cancel < 0 {
		r.complain("errand %d was not executed though an instance lived on: %v", id, err)
	}
	if e.Kind == errandMore && !not {
		most = 100
	}
	if n < least || n > most {
		r.complain("errand %d was executed %d times, and its caller was told: %v", id, n, err)
	}
}

// TestFleet follows random schedules of calls and streams of one client to several instances that drain or go away meanwhile:
// each ends with an outcome that is true, none is executed twice unless it may be, and one whose instance drains sees nothing.
func TestFleet(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value
	old := checks.String()
	defer checks.Set(old)
	if err := checks.Set(strconv.Itoa(*schedules)); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"shm", "unix", "tcp"} {
		t.Run(scheme, func(t *testing.T) {
			if scheme == "shm" && runtime.GOOS != "linux" {
				t.Skip("shared memory is Linux only")
			}
			rapid.Check(t, func(rt *rapid.T) {
				f := drawFleet(rt)
				if err := f.follow(t, scheme); err != nil {
					rt.Fatalf("%v\nin %#v", err, f)
				}
			})
		})
	}
}

// follow does what the schedule says, and returns what is wrong with what came of it.
func (f *fleet) follow(t *testing.T, scheme string) error {
	n := len(f.Errands)
	r := &fleetRun{fleet: f, executed: make([]atomic.Int32, n), received: make([]int, n), errs: make([]error, n), broke: make([]bool, n)}
	dir := tempDir(t)
	nop := zerolog.Nop()
	var all []*hotline.Server
	served := make(chan error, len(f.Losses)+1)
	for range len(f.Losses) + 1 {
		srv := &hotline.Server{Dir: dir, Logger: &nop, TCPBind: "127.0.0.1:0"}
		if err := srv.Register(&fleetServer{run: r}); err != nil {
			return err
		}
		go func() { served <- srv.Serve(context.Background()) }()
		all = append(all, srv)
	}
	waitReady(t, dir, len(all), served)
	addresses := []string{scheme + "://"}
	if scheme == "tcp" {
		addresses = addressesOf(t, dir, scheme)
	}
	var c fleetClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c, addresses...); err != nil {
		return err
	}
	var group sync.WaitGroup
	for id := range f.Errands {
		group.Go(func() { r.do(&c, id) })
	}
	for i, l := range f.Losses {
		group.Go(func() {
			time.Sleep(tenths(l.At))
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			end := all[i].Close
			if l.Drain {
				end = func() error { return all[i].Shutdown(ctx) }
			}
			if err := end(); err != nil {
				r.complain("instance %d: %v", i, err)
			}
		})
	}
	group.Wait()
	wait.Until(t, "nothing in flight", func() bool { return hotline.InFlight(c.Client()) == 0 })
	err := c.Close()
	for _, srv := range all {
		err = errors.Join(err, srv.Close())
	}
	for range all {
		cut := f.givesUp() || !f.graceful() // a method may run on that nobody waits for
		if ended := <-served; ended != nil && !(cut && strings.Contains(ended.Error(), "cut off")) {
			err = errors.Join(err, ended)
		}
	}
	for id := range f.Errands {
		r.check(id)
	}
	return errors.Join(append(r.wrong, err)...)
}
