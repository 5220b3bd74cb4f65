package hotline_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/wait"
)

// crewMethods tell instances of one service apart.
type crewMethods struct {
	Who  func(ctx context.Context) (int, error)
	Hold func(ctx context.Context) (int, error) // until the test lets go
}

type crewServer struct {
	hotline.ServerMethodsBase `port:"crew" name:"crew" version:"1.4"`
	crewMethods
	id      int
	calls   atomic.Int64 // of Who
	holding atomic.Int64
	letGo   chan struct{}
	called  chan time.Time // gets the time of the first call of Who, where it is not nil
}

func (s *crewServer) Who(context.Context) int {
	if s.calls.Add(1) == 1 && s.called != nil {
		s.called <- time.Now()
	}
	return s.id
}

func (s *crewServer) Hold(ctx context.Context) (int, error) {
	s.holding.Add(1)
	defer s.holding.Add(-1)
	select {
	case <-s.letGo:
		return s.id, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// laterCrew is the same service, of another major version.
type laterCrew struct {
	hotline.ServerMethodsBase `port:"crew2" name:"crew" version:"2.0"`
	crewServer
}

type crewClient struct {
	hotline.ClientMethodsBase `name:"crew"`
	crewMethods
}

// instance is a service that a test stops by itself.
type instance struct {
	*hotline.Server
	ended chan error
}

// start serves a service in the runtime directory, where it is the n-th, and stops it when the test ends.
func start(t testing.TB, dir string, n int, service any) *instance {
	t.Helper()
	return startBy(t, new(hotline.Server), dir, n, service)
}

// startBy is start by a server that has options.
func startBy(t testing.TB, srv *hotline.Server, dir string, n int, service any) *instance {
	t.Helper()
	nop := zerolog.Nop()
	srv.Dir, srv.Logger = dir, &nop
	i := &instance{srv, make(chan error, 1)}
	if err := i.Register(service); err != nil {
		t.Fatal(err)
	}
	go func() { i.ended <- i.Serve(context.Background()) }()
	t.Cleanup(func() { i.Close() })
	waitReady(t, dir, n, i.ended)
	return i
}

// leave drains the instance.
func (i *instance) leave(t testing.TB) {
	t.Helper()
	if err := i.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-i.ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func newCrew(n int) []*crewServer {
	all := make([]*crewServer, n)
	for i := range all {
		all[i] = &crewServer{id: i, letGo: make(chan struct{})}
	}
	return all
}

func connectCrew(t testing.TB, d *hotline.Dialer, addresses ...string) *crewClient {
	t.Helper()
	c := new(crewClient)
	if err := d.Connect(t.Context(), c, addresses...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// keepCalling calls Who from n goroutines until stop is called, which reports what failed.
func keepCalling(t testing.TB, c *crewClient, n int) (stop func()) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	var over atomic.Bool
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			for !over.Load() {
				if _, err := c.Who(ctx); err != nil {
					t.Errorf("Who: %v", err)
					return
				}
			}
		})
	}
	return func() {
		over.Store(true)
		group.Wait()
		cancel()
	}
}

func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hl") // short: it is part of a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestCallsGoToNewInstances(t *testing.T) {
	for _, address := range []string{"auto://", "shm://", "unix://"} {
		t.Run(address, func(t *testing.T) {
			dir, crew := tempDir(t), newCrew(3)
			start(t, dir, 1, crew[0])
			c := connectCrew(t, &hotline.Dialer{Dir: dir}, address)
			stop := keepCalling(t, c, 8)
			defer stop()
			for i := range crew[1:] {
				start(t, dir, i+2, crew[i+1])
				wait.Until(t, "calls at the new instance", func() bool { return crew[i+1].calls.Load() > 100 })
			}
		})
	}
}

// linkedCrew returns n instances, and a client that has called all of them.
func linkedCrew(t testing.TB, n int) ([]*crewServer, *crewClient) {
	t.Helper()
	dir, crew := tempDir(t), newCrew(n)
	for i, s := range crew {
		start(t, dir, i+1, s)
	}
	c := connectCrew(t, &hotline.Dialer{Dir: dir})
	stop := keepCalling(t, c, 8)
	wait.Until(t, "calls at all instances", func() bool {
		return !slices.ContainsFunc(crew, func(s *crewServer) bool { return s.calls.Load() == 0 })
	})
	stop()
	return crew, c
}

// TestIdleLinkIsKept: one call at a time goes over one link, however many there are.
func TestIdleLinkIsKept(t *testing.T) {
	_, c := linkedCrew(t, 2)
	first, err := c.Who(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if id, err := c.Who(t.Context()); err != nil || id != first {
			t.Fatalf("Who: got %d, %v, want %d again", id, err, first)
		}
	}
}

// TestLeastLoaded: each call that holds goes where fewer do. Of two instances that is the one with fewer. Of more it is one of
// two that were chosen at random: never the one that alone has the most, and each in its turn.
func TestLeastLoaded(t *testing.T) {
	for _, n := range []int{2, 5} {
		t.Run(strconv.Itoa(n), func(t *testing.T) { testLeastLoaded(t, n) })
	}
}

func testLeastLoaded(t *testing.T, n int) {
	crew, c := linkedCrew(t, n)
	loads := func() (all []int64, sum int64) {
		for _, s := range crew {
			held := s.holding.Load()
			all, sum = append(all, held), sum+held
		}
		slices.Sort(all)
		return all, sum
	}
	var group sync.WaitGroup
	const each = 20
	level := true // all instances hold equally many, whenever that can be
	for i := range n * each {
		group.Go(func() {
			if _, err := c.Hold(t.Context()); err != nil {
				t.Errorf("Hold: %v", err)
			}
		})
		wait.Until(t, "the call to have come in", func() bool { _, sum := loads(); return sum == int64(i+1) })
		all, _ := loads()
		if all[n-1] > all[n-2]+1 {
			t.Errorf("%d calls in flight at each instance: one of them was given a call though it had the most", all)
		}
		level = level && all[n-1]-all[0] <= 1
	}
	// The instance with the fewest is among the two in at least two of five choices, so that it lags this far behind is
	// less likely than one in a million.
	if all, _ := loads(); all[0] == 0 || n > 2 && level || n == 2 && !level {
		t.Errorf("%d calls in flight at each instance, level all along: %v", all, level)
	}
	for _, s := range crew {
		close(s.letGo)
	}
	group.Wait()
}

// TestRollingRestart: instances come and go while calls run, and no call fails.
func TestRollingRestart(t *testing.T) {
	dir := tempDir(t)
	crew := newCrew(6)
	running := []*instance{start(t, dir, 1, crew[0]), start(t, dir, 2, crew[1])}
	c := connectCrew(t, &hotline.Dialer{Dir: dir})
	stop := keepCalling(t, c, 8)
	for i, s := range crew[2:] {
		running[i].leave(t)
		running = append(running, start(t, dir, 2, s))
		wait.Until(t, "calls at the new instance", func() bool { return s.calls.Load() > 0 })
	}
	stop()
}

// TestDrainingInstanceFinishesItsCalls: a call in flight at an instance that drains ends with its result, and new
// ones go to the other instance meanwhile.
func TestDrainingInstanceFinishesItsCalls(t *testing.T) {
	dir, crew := tempDir(t), newCrew(2)
	leaving := start(t, dir, 1, crew[0])
	c := connectCrew(t, &hotline.Dialer{Dir: dir})
	held := make(chan error, 1)
	go func() {
		_, err := c.Hold(context.Background())
		held <- err
	}()
	wait.Until(t, "the call to have come in", func() bool { return crew[0].holding.Load() == 1 })
	start(t, dir, 2, crew[1])
	left := make(chan struct{})
	go func() { defer close(left); leaving.leave(t) }()
	wait.Until(t, "a call at the other instance", func() bool {
		id, err := c.Who(t.Context())
		if err != nil {
			t.Fatalf("Who: %v", err)
		}
		return id == 1
	})
	close(crew[0].letGo)
	if err := <-held; err != nil {
		t.Errorf("Hold at an instance that drains: %v", err)
	}
	<-left
}

func TestCallsWaitForAnInstance(t *testing.T) {
	dir, crew := tempDir(t), newCrew(2)
	first := start(t, dir, 1, crew[0])
	c := connectCrew(t, &hotline.Dialer{Dir: dir, Timeout: patience})
	first.leave(t)
	const callers = 8
	ids := make(chan int, callers)
	for range callers {
		go func() {
			id, err := c.Who(context.Background())
			if err != nil {
				t.Errorf("Who: %v", err)
			}
			ids <- id
		}()
	}
	wait.Until(t, "callers that wait", func() bool { return hotline.Waiting(c.Client()) })
	start(t, dir, 1, crew[1])
	for range callers {
		if id := <-ids; id != 1 {
			t.Errorf("Who: got %d, want 1", id)
		}
	}
}

func TestCloseEndsTheWaitForAnInstance(t *testing.T) {
	dir, crew := tempDir(t), newCrew(1)
	first := start(t, dir, 1, crew[0])
	c := connectCrew(t, &hotline.Dialer{Dir: dir, Timeout: patience})
	first.leave(t)
	failed := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := c.Who(context.Background())
			failed <- err
		}()
	}
	wait.Until(t, "callers that wait", func() bool {
		if len(failed) > 0 {
			t.Fatalf("Who: %v", <-failed)
		}
		return hotline.Waiting(c.Client())
	})
	c.Close()
	for range 2 {
		if err := <-failed; !errors.Is(err, hotline.ErrNotExecuted) || errors.Is(err, hotline.ErrMaybeExecuted) {
			t.Errorf("Who: got %v, want ErrNotExecuted", err)
		}
	}
}

// TestNoInstanceInTime: the error says what was looked for and what was there.
func TestNoInstanceInTime(t *testing.T) {
	dir, crew := tempDir(t), newCrew(1)
	first := start(t, dir, 1, crew[0])
	start(t, dir, 2, &echoServer{})
	c := connectCrew(t, &hotline.Dialer{Dir: dir})
	first.leave(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := c.Who(ctx)
	if !errors.Is(err, hotline.ErrNotExecuted) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Who: got %v, want ErrNotExecuted and DeadlineExceeded", err)
	}
	for _, want := range []string{"Who", "waited for an instance", "no service crew", "echo_serv (port 5555)", dir} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Who: got %q, want it to say %q", err, want)
		}
	}
}

// TestTimeoutBoundsTheWait: a function's own timeout counts for a call that waits for an instance, too.
func TestTimeoutBoundsTheWait(t *testing.T) {
	dir, crew := tempDir(t), newCrew(1)
	first := start(t, dir, 1, crew[0])
	var c struct {
		hotline.ClientMethodsBase `name:"crew"`
		Who                       func() (int, error) `timeout:"20ms"`
	}
	d := &hotline.Dialer{Dir: dir, Timeout: 100 * patience}
	if err := d.Connect(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first.leave(t)
	if _, err := c.Who(); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, hotline.ErrNotExecuted) {
		t.Errorf("Who: got %v, want DeadlineExceeded and ErrNotExecuted", err)
	}
}

// TestMajorsAreApart: links go to instances of one major version, though the client would take any.
func TestMajorsAreApart(t *testing.T) {
	dir, crew := tempDir(t), newCrew(3)
	start(t, dir, 1, crew[0])
	c := connectCrew(t, &hotline.Dialer{Dir: dir})
	start(t, dir, 2, &laterCrew{crewServer: crewServer{id: 1}})
	stop := keepCalling(t, c, 8)
	start(t, dir, 3, crew[2])
	wait.Until(t, "calls at the new instance", func() bool { return crew[2].calls.Load() > 100 })
	stop()
	if got := hotline.Links(c.Client()); got != 2 {
		t.Errorf("the client has %d links, want 2, to the instances of version 1", got)
	}
}

// olderCrew is the same service, of a version that lacks a method.
type olderCrew struct {
	hotline.ServerMethodsBase `port:"crew" name:"crew" version:"1.3"`
}

func (*olderCrew) Who(context.Context) int { return -1 }

// TestInstancesThatDoNotFit: a client is linked to the instances that it fits, and told what is wrong where it fits none.
func TestInstancesThatDoNotFit(t *testing.T) {
	dir, crew := tempDir(t), newCrew(1)
	older := []*instance{start(t, dir, 1, new(olderCrew)), start(t, dir, 2, new(olderCrew))}
	var mismatch *hotline.MismatchError
	if err := new(hotline.Dialer).Connect(t.Context(), new(crewClient), addressesOf(t, dir, "unix")...); !errors.As(err, &mismatch) {
		t.Errorf("Connect where no instance fits: got %v, want MismatchError", err)
	}
	fitting := start(t, dir, 3, crew[0])
	for range 10 { // in whatever order they are tried
		c := connectCrew(t, &hotline.Dialer{Dir: dir})
		if id, err := c.Who(t.Context()); id != 0 || err != nil {
			t.Errorf("Who: got %d, %v", id, err)
		}
	}
	c := connectCrew(t, &hotline.Dialer{Dir: dir})
	fitting.leave(t)
	if _, err := c.Who(t.Context()); !errors.As(err, &mismatch) || !errors.Is(err, hotline.ErrNotExecuted) {
		t.Errorf("Who where no instance fits any more: got %v, want MismatchError and ErrNotExecuted", err)
	}
	for _, i := range older {
		i.leave(t)
	}
}

// TestMisfitDoesNotEndTheWait: a call waits for the instance that is away, though one that the client does not fit answers meanwhile.
// Where it has waited in vain an interceptor may make it again.
func TestMisfitDoesNotEndTheWait(t *testing.T) {
	dir, crew := tempDir(t), newCrew(2)
	start(t, dir, 1, new(olderCrew))
	first, address := startRemote(t, crew[0])
	repeatable := make(chan bool, 1)
	d := &hotline.Dialer{Dir: dir, Timeout: patience, Interceptors: []hotline.Interceptor{
		func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
			err := next(ctx)
			if err != nil {
				repeatable <- call.Repeatable(err)
			}
			return err
		},
	}}
	c := connectCrew(t, d, address, addressOf(t, dir, "unix"))
	first.leave(t)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	called := make(chan error)
	who := func() {
		_, err := c.Who(ctx)
		called <- err
	}
	go who()
	wait.Until(t, "an attempt that fails", func() bool { return hotline.Failed(c.Client()) })
	cancel()
	var mismatch *hotline.MismatchError
	err := <-called
	if !errors.Is(err, context.Canceled) || !errors.As(err, &mismatch) || !strings.Contains(err.Error(), strings.TrimPrefix(address, "tcp://")) {
		t.Fatalf("Who, given up: got %v, want Canceled, MismatchError and %s", err, address)
	}
	if !<-repeatable {
		t.Errorf("%v: got not repeatable", err)
	}

	ctx = t.Context()
	go who()
	wait.Until(t, "a caller that waits", func() bool { return hotline.Waiting(c.Client()) })
	startBy(t, &hotline.Server{TCPBind: strings.TrimPrefix(address, "tcp://")}, tempDir(t), 1, &remoteCrew{crewServer: crew[1]})
	if err := <-called; err != nil || crew[1].calls.Load() != 1 {
		t.Errorf("Who: got %v after %d calls at the instance that came back", err, crew[1].calls.Load())
	}
}
