package hotline_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// againMethods are of each kind that may be made again.
type againMethods struct {
	Once  func(ctx context.Context) (int, error)
	More  func(ctx context.Context) (int, error)                                  `idempotent:"true"`
	Count func(ctx context.Context) iter.Seq2[int, error]                         `idempotent:"true"`
	Sum   func(ctx context.Context, items iter.Seq[int]) (int, error)             `idempotent:"true"`
	Both  func(ctx context.Context, of iter.Seq[int]) iter.Seq2[int, error]       `idempotent:"true"`
	Blow  func(ctx context.Context, of iter.Seq[[]byte]) iter.Seq2[[]byte, error] `codec:"raw" idempotent:"true"`
}

// againServer is an instance that calls begin at.
type againServer struct {
	hotline.ServerMethodsBase `port:"again" name:"again"`
	againMethods
	enter func(ctx context.Context) error
	early bool // Blow takes its items before it enters
}

func (s *againServer) Once(ctx context.Context) (int, error) { return 1, s.enter(ctx) }
func (s *againServer) More(ctx context.Context) (int, error) { return 1, s.enter(ctx) }
func (s *againServer) Count(ctx context.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) { yield(1, s.enter(ctx)) }
}
func (s *againServer) Sum(ctx context.Context, items iter.Seq[int]) (sum int, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	for n := range items {
		sum += n
	}
	return sum, nil
}
func (s *againServer) Both(ctx context.Context, of iter.Seq[int]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		if err := s.enter(ctx); err != nil {
			yield(0, err)
			return
		}
		for n := range of {
			if !yield(n, nil) {
				return
			}
		}
	}
}

// Blow answers each item with a large one.
func (s *againServer) Blow(ctx context.Context, of iter.Seq[[]byte]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if s.early {
			for range of {
			}
		}
		if err := s.enter(ctx); err != nil {
			yield(nil, err)
			return
		}
		for range of {
			if !yield(make([]byte, 4<<10), nil) {
				return
			}
		}
	}
}

type againClient struct {
	hotline.ClientMethodsBase `name:"again"`
	againMethods
}

// again are the calls of each kind that is idempotent. What succeeds gives 1.
var againCalls = map[string]func(ctx context.Context, c *againClient) (int, error){
	"More": func(ctx context.Context, c *againClient) (int, error) { return c.More(ctx) },
	"Count": func(ctx context.Context, c *againClient) (int, error) {
		all, err := collect(c.Count(ctx))
		return len(all), err
	},
	"Sum": func(ctx context.Context, c *againClient) (int, error) { return c.Sum(ctx, slices.Values([]int{1})) },
	"Both": func(ctx context.Context, c *againClient) (int, error) {
		all, err := collect(c.Both(ctx, slices.Values([]int{1})))
		return len(all), err
	},
}

// dying starts an instance that dies when a method is entered, and connects a client to it.
func dying(t *testing.T, d *hotline.Dialer) *againClient {
	t.Helper()
	c := new(againClient)
	dyingAfter(t, d, c, func(context.Context) {})
	t.Cleanup(func() { c.Close() })
	return c
}

// dyingAfter is dying for an instance that does something before.
func dyingAfter(t *testing.T, d *hotline.Dialer, c any, before func(ctx context.Context)) {
	t.Helper()
	service := &againServer{early: true}
	i := start(t, d.Dir, 1, service)
	letGo := make(chan struct{})
	t.Cleanup(func() { close(letGo) })
	service.enter = func(ctx context.Context) error {
		before(ctx)
		go i.Close()
		<-letGo // and not before the link has ended
		return nil
	}
	if err := d.Connect(t.Context(), c, "unix://"); err != nil {
		t.Fatal(err)
	}
}

// refusing starts an instance that refuses all calls with a code.
func refusing(t *testing.T, dir string, code hotline.Code, told func()) {
	t.Helper()
	srv := &hotline.Server{Interceptors: []hotline.Interceptor{
		func(context.Context, *hotline.Call, func(context.Context) error) error {
			told()
			return &hotline.Error{Code: code, Message: "not here"}
		}}}
	startBy(t, srv, dir, 2, new(againServer))
}

func checkMaybe(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, hotline.ErrMaybeExecuted) || errors.Is(err, hotline.ErrNotExecuted) || errors.As(err, new(*hotline.Error)) {
		t.Errorf("%s: got %v, want ErrMaybeExecuted alone", what, err)
	}
}

// A call that one instance may have executed, and that no other one did, may have been executed.
func TestNotExecutedTheSecondTime(t *testing.T) {
	for name, call := range againCalls {
		t.Run(name+" is refused", func(t *testing.T) {
			dir := tempDir(t)
			c := dying(t, &hotline.Dialer{Dir: dir})
			refusing(t, dir, hotline.CodeExhausted, func() {})
			_, err := call(t.Context(), c)
			checkMaybe(t, name, err)
			if !strings.Contains(err.Error(), "not here") {
				t.Errorf("%q does not say what came later", err)
			}
		})
		t.Run(name+" meets one that drains", func(t *testing.T) {
			dir := tempDir(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := dying(t, &hotline.Dialer{Dir: dir})
			refusing(t, dir, hotline.CodeDraining, cancel)
			_, err := call(ctx, c)
			checkMaybe(t, name, err)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v is not context.Canceled", err)
			}
		})
		t.Run(name+" finds no other", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := dying(t, &hotline.Dialer{Dir: tempDir(t)})
			go func() {
				defer cancel()
				wait.Until(t, "a caller that waits", func() bool { return hotline.Waiting(c.Client()) })
			}()
			_, err := call(ctx, c)
			checkMaybe(t, name, err)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v is not context.Canceled", err)
			}
		})
	}
}

// The same for calls that interceptors make again, whatever the method bears.
func TestNotExecutedTheSecondTimeByInterceptors(t *testing.T) {
	twice := func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
		if err := next(ctx); err == nil {
			return nil
		}
		return next(ctx)
	}
	dir := tempDir(t)
	c := dying(t, &hotline.Dialer{Dir: dir, Interceptors: []hotline.Interceptor{twice}})
	refusing(t, dir, hotline.CodeExhausted, func() {})
	_, err := c.Once(t.Context())
	checkMaybe(t, "refused by the server", err)

	made := 0
	once := func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
		if made++; made > 1 {
			return hotline.ErrNotExecuted
		}
		return next(ctx)
	}
	c = dying(t, &hotline.Dialer{Dir: tempDir(t), Interceptors: []hotline.Interceptor{twice, once}})
	_, err = c.Once(t.Context())
	checkMaybe(t, "refused by an interceptor", err)
	if _, err = c.Once(t.Context()); !errors.Is(err, hotline.ErrNotExecuted) || errors.Is(err, hotline.ErrMaybeExecuted) {
		t.Errorf("another call: got %v, want ErrNotExecuted", err)
	}
}

// A call that went well, and was not executed when an interceptor made it again, was executed all the same.
func TestExecutedTheFirstTime(t *testing.T) {
	dir, made := tempDir(t), 0
	twice := func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
		_ = next(ctx)
		return next(ctx)
	}
	once := func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
		if made++; made > 1 {
			return hotline.ErrNotExecuted
		}
		return next(ctx)
	}
	start(t, dir, 1, &againServer{enter: func(context.Context) error { return nil }})
	var c againClient
	if err := (&hotline.Dialer{Dir: dir, Interceptors: []hotline.Interceptor{twice, once}}).Connect(t.Context(), &c, "unix://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err := c.Once(t.Context())
	checkMaybe(t, "the second time", err)
}

// A call is not made again for ever where every attempt is refused as if the server drained.
func TestDrainingForEver(t *testing.T) {
	for name, call := range againCalls {
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			startBy(t, &hotline.Server{Interceptors: []hotline.Interceptor{
				func(context.Context, *hotline.Call, func(context.Context) error) error {
					return &hotline.Error{Code: hotline.CodeDraining, Message: "not here"}
				}}}, dir, 1, new(againServer))
			var c againClient
			if err := (&hotline.Dialer{Dir: dir, Timeout: 50 * time.Millisecond}).Connect(t.Context(), &c, "unix://"); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			wait.Return(t, "the call's end", func() {
				if _, err := call(context.Background(), &c); err == nil || errors.Is(err, hotline.ErrMaybeExecuted) {
					t.Errorf("got %v, want an error that says that it was not executed", err)
				}
			})
		})
	}
}

// A call that is refused by an instance that drains, and finds no other, fails here: it says what it waited for.
func TestDrainingAndNoOther(t *testing.T) {
	for name, call := range againCalls {
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			came, refuse := make(chan struct{}), make(chan struct{})
			i := startBy(t, &hotline.Server{Interceptors: []hotline.Interceptor{
				func(context.Context, *hotline.Call, func(context.Context) error) error {
					close(came)
					<-refuse
					return &hotline.Error{Code: hotline.CodeDraining, Message: "not here"}
				}}}, dir, 1, new(againServer))
			var c againClient
			if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c, "unix://"); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error, 1)
			go func() {
				_, err := call(ctx, &c)
				failed <- err
			}()
			<-came
			left := make(chan struct{})
			go func() { defer close(left); i.leave(t) }()
			waitReady(t, dir, 0, i.ended)
			close(refuse)
			wait.Until(t, "a caller that waits", func() bool { return hotline.Waiting(c.Client()) && hotline.Failed(c.Client()) })
			<-left
			cancel()
			err := <-failed
			var missing *hotline.NotFoundError
			if !errors.Is(err, hotline.ErrNotExecuted) || !errors.Is(err, context.Canceled) || errors.Is(err, hotline.ErrMaybeExecuted) || !errors.As(err, &missing) {
				t.Errorf("got %v, want ErrNotExecuted, Canceled and NotFoundError", err)
			}
			if errors.As(err, new(*hotline.Error)) || !strings.Contains(err.Error(), "draining") || !strings.Contains(err.Error(), "waited for an instance") {
				t.Errorf("got %#v: %v", err, err)
			}
		})
	}
}

// A function's timeout is for all attempts together: the second instance has what the first one left.
func TestTimeoutOfAllAttempts(t *testing.T) {
	const timeout, used = 2 * patience, 100 * time.Millisecond
	type client struct {
		hotline.ClientMethodsBase `name:"again"`
		More                      func(ctx context.Context) (int, error)                   `idempotent:"true" timeout:"240s"`
		Count                     func(ctx context.Context) iter.Seq2[int, error]          `idempotent:"true" timeout:"240s"`
		Sum                       func(ctx context.Context, of iter.Seq[int]) (int, error) `idempotent:"true" timeout:"240s"`
	}
	for name, call := range map[string]func(c *client) (int, error){
		"More": func(c *client) (int, error) { return c.More(t.Context()) },
		"Count": func(c *client) (int, error) {
			all, err := collect(c.Count(t.Context()))
			return len(all), err
		},
		"Sum": func(c *client) (int, error) { return c.Sum(t.Context(), slices.Values([]int{1})) },
	} {
		t.Run(name, func(t *testing.T) {
			left := func(ctx context.Context) time.Duration {
				at, ok := ctx.Deadline()
				if !ok {
					t.Error("no deadline")
				}
				return time.Until(at)
			}
			var c client
			dir := tempDir(t)
			dyingAfter(t, &hotline.Dialer{Dir: dir}, &c, func(ctx context.Context) {
				for left(ctx) > timeout-used {
					time.Sleep(time.Millisecond)
				}
			})
			defer c.Close()
			var second time.Duration
			start(t, dir, 2, &againServer{enter: func(ctx context.Context) error {
				second = left(ctx)
				return nil
			}})
			if n, err := call(&c); n != 1 || err != nil {
				t.Errorf("got %d, %v, want 1", n, err)
			}
			if second > timeout-used {
				t.Errorf("the second instance was given %v, the first one left %v", second, timeout-used)
			}
		})
	}
}

// repeated yields a block n times.
func repeated(block []byte, n int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := 0; i < n && yield(block); i++ {
		}
	}
}

// Small items are sent again as far as another server takes them before it gives credit: what is more would wait for it, while
// the server waits for a client that takes its answers.
func TestSmallItemsAgain(t *testing.T) {
	const fit = wire.StreamWindow / 2 // with their lengths
	for _, n := range []int{1, fit, fit + 1, 2*fit - 1} {
		dir := tempDir(t)
		c := dying(t, &hotline.Dialer{Dir: dir})
		start(t, dir, 2, &againServer{enter: func(context.Context) error { return nil }})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		all, err := collect(c.Blow(ctx, repeated([]byte{1}, n)))
		if n <= fit && (err != nil || len(all) != n) {
			t.Errorf("%d items: got %d, %v", n, len(all), err)
		}
		if n > fit && (!errors.Is(err, hotline.ErrMaybeExecuted) || errors.Is(err, context.DeadlineExceeded)) {
			t.Errorf("%d items: got %d, %v, want ErrMaybeExecuted", n, len(all), err)
		}
	}
}

// An item that is too large for a server ends the call with that error, also where the server is the second one, and the first
// one took it.
func TestLargeItem(t *testing.T) {
	items := repeated(make([]byte, 2<<10), 3)
	tooLarge := func(err error, maybe bool) {
		t.Helper()
		if !errors.Is(err, hotline.ErrTooLarge) || !strings.Contains(err.Error(), "1024") || errors.Is(err, hotline.ErrMaybeExecuted) != maybe {
			t.Errorf("got %v, want an error that says what the server takes, and of which %v that the call may have been executed", err, maybe)
		}
	}
	dir := tempDir(t)
	startBy(t, &hotline.Server{MaxMessage: 1 << 10}, dir, 1, &againServer{enter: func(context.Context) error { return nil }})
	var c againClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c, "unix://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err := collect(c.Blow(t.Context(), items))
	tooLarge(err, false) // the server has answered

	var up streamClient
	if err := (&hotline.Dialer{Dir: serve(t, &hotline.Server{MaxMessage: 1 << 10}, new(streamServer))}).Connect(t.Context(), &up, "unix://"); err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	_, err = up.Join(t.Context(), items)
	tooLarge(err, true) // the call was given up
	_, err = collect(up.Lengths(t.Context(), func(yield func(string, error) bool) {
		_ = yield("short", nil) && yield(strings.Repeat("x", 2<<10), nil)
	}))
	tooLarge(err, true) // the method has ended well

	dir = tempDir(t)
	first := dying(t, &hotline.Dialer{Dir: dir})
	startBy(t, &hotline.Server{MaxMessage: 1 << 10}, dir, 2, &againServer{enter: func(context.Context) error { return nil }})
	_, err = collect(first.Blow(t.Context(), items))
	tooLarge(err, true)
}

// What is kept of a stream does not grow with the number of its items, be they empty.
func TestEmptyItemsTakeNoMemory(t *testing.T) {
	dir := serve(t, new(hotline.Server), new(streamServer))
	var c streamClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c, "unix://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	inUse := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const items, most = 500_000, 2 << 20
	var grown int64
	_, err := c.Join(t.Context(), func(yield func([]byte) bool) {
		before := inUse()
		for range items {
			if !yield(nil) {
				return
			}
		}
		grown = inUse() - before
	})
	if err != nil || grown > most {
		t.Errorf("%d empty items: %d bytes more are in use, want at most %d; %v", items, grown, most, err)
	}
}
