package hotline_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/wait"
)

// nodeMethods are for direct calls: what they share, and what they do to their callers.
type nodeMethods struct {
	Same   func(ctx context.Context, n *node) (*node, error)
	Raw    func(ctx context.Context, b []byte) ([]byte, error) `codec:"raw"`
	Fixed  func(ctx context.Context) ([]byte, error)           `codec:"raw"`
	Look   func(ctx context.Context, key string) (seen, error) // by value: through package reflect
	Await  func(ctx context.Context) error                     // the end of its context
	Goexit func(ctx context.Context) error                     // runtime.Goexit
	Hold   func(ctx context.Context) error                     // until the test lets go
	Count  func(ctx context.Context, n int) (int, error)       // executions
	Spare  func(ctx context.Context) error
	Late   func(ctx context.Context, n int) (result int, err error) // returns though its context has ended
}

type node struct {
	Name   string
	hidden int // no codec sends it
}

// seen is what a method sees of its context.
type seen struct {
	Value    any
	Left     time.Duration
	Metadata string
}

type nodeServer struct {
	hotline.ServerMethodsBase `port:"5590" name:"nodes"`
	nodeMethods
	fixed    []byte
	got      []byte // the argument of Raw, kept against the rules
	contexts chan context.Context
	holding  chan struct{}
	letGo    chan struct{}
	count    atomic.Int64
}

func newNodes() *nodeServer {
	return &nodeServer{fixed: []byte("fixed"), contexts: make(chan context.Context, 1), holding: make(chan struct{}, 1), letGo: make(chan struct{})}
}

func (s *nodeServer) Same(_ context.Context, n *node) (*node, error) { return n, nil }

// Raw writes to its argument and returns the middle of it.
func (s *nodeServer) Raw(_ context.Context, b []byte) ([]byte, error) {
	s.got = b
	for i := range b {
		b[i]++
	}
	return b[1 : len(b)-1], nil
}

func (s *nodeServer) Fixed(context.Context) ([]byte, error) { return s.fixed, nil }

func (s *nodeServer) Look(ctx context.Context, key string) (seen, error) {
	at, _ := ctx.Deadline()
	return seen{ctx.Value(nodeKey(key)), time.Until(at), hotline.IncomingMetadata(ctx)[key]}, nil
}

func (s *nodeServer) Await(ctx context.Context) error {
	s.contexts <- ctx
	<-ctx.Done()
	return ctx.Err()
}

func (s *nodeServer) Goexit(context.Context) error { runtime.Goexit(); return nil }

func (s *nodeServer) Hold(context.Context) error {
	s.holding <- struct{}{}
	<-s.letGo
	return nil
}

func (s *nodeServer) Count(_ context.Context, n int) (int, error) {
	s.count.Add(1)
	return n, nil
}

func (s *nodeServer) Spare(context.Context) error { return nil }

func (s *nodeServer) Late(ctx context.Context, n int) (int, error) {
	for ctx.Err() == nil {
		runtime.Gosched()
	}
	return n, nil
}

type nodeClient struct {
	hotline.ClientMethodsBase `name:"nodes"`
	nodeMethods
	Timed func(ctx context.Context, key string) (seen, error) `timeout:"1h" name:"Look"`
	Hurry func() error                                        `timeout:"10ms" name:"Await"`
}

type nodeKey string

// connectNodes serves nodes and connects a client that calls them directly.
func connectNodes(t testing.TB, srv *hotline.Server, d hotline.Dialer) (*nodeServer, *nodeClient) {
	t.Helper()
	service, c := newNodes(), new(nodeClient)
	serve(t, srv, service)
	d.Server, d.Direct = srv, true
	if err := d.Connect(t.Context(), c, "inproc://"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return service, c
}

// Values are shared and not encoded: a pointer comes back as it is, with what no codec sends.
func TestDirectValuesAreShared(t *testing.T) {
	var log wait.Output
	logger := zerolog.New(&log)
	_, c := connectNodes(t, new(hotline.Server), hotline.Dialer{Logger: &logger})
	n := &node{"name", 7}
	if got, err := c.Same(t.Context(), n); err != nil || got != n {
		t.Errorf("Same: got %p, %v, want %p", got, err, n)
	}
	var sum int
	if err := c.Call(t.Context(), "Count", &sum, 3); err != nil || sum != 3 {
		t.Errorf("an untyped call: got %d, %v", sum, err)
	}
	if log.String() != "" {
		t.Errorf("log: got %s, want nothing: all methods are called directly", log.String())
	}
}

// Bytes under raw belong to each side, whatever the method does with its argument and returns.
func TestDirectBytesAreNotShared(t *testing.T) {
	service, c := connectNodes(t, new(hotline.Server), hotline.Dialer{})
	for _, n := range []int{3, 100, 100_000} {
		sent := bytes.Repeat([]byte("a"), n)
		got, err := c.Raw(t.Context(), sent)
		if err != nil || !bytes.Equal(got, bytes.Repeat([]byte("b"), n-2)) || len(got) != cap(got) {
			t.Fatalf("Raw: got %d bytes %.3s, room for %d, %v", len(got), got, cap(got), err)
		}
		if !bytes.Equal(sent, bytes.Repeat([]byte("a"), n)) {
			t.Errorf("the caller's argument is changed: %.3s", sent)
		}
		if &got[0] != &service.got[1] {
			t.Error("a part of the argument was copied once more")
		}
	}
	for range 2 {
		got, err := c.Fixed(t.Context())
		if err != nil || string(got) != "fixed" {
			t.Fatalf("Fixed: got %s, %v", got, err)
		}
		clear(got) // it is the caller's
	}
	var got []byte
	if err := c.Call(t.Context(), "Fixed", &got); err != nil || string(got) != "fixed" {
		t.Fatalf("Fixed by Call: got %s, %v", got, err)
	}
	clear(got)
	if string(service.fixed) != "fixed" {
		t.Errorf("what the method returns was changed: %q", service.fixed)
	}
}

// A method's context has its caller's deadline, or the function's timeout, and metadata, but none of its values.
func TestDirectContext(t *testing.T) {
	service, c := connectNodes(t, new(hotline.Server), hotline.Dialer{})
	ctx := context.WithValue(hotline.WithMetadata(t.Context(), "key", "sent"), nodeKey("key"), "value")
	short, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, test := range []struct {
		what string
		look func(context.Context, string) (seen, error)
		ctx  context.Context
		most time.Duration
	}{
		{"no deadline", c.Look, ctx, 0}, {"a deadline", c.Look, short, time.Minute},
		{"a timeout", c.Timed, ctx, time.Hour}, {"both", c.Timed, short, time.Minute},
	} {
		got, err := test.look(test.ctx, "key")
		if err != nil || got.Value != nil || got.Metadata != "sent" || got.Left > test.most || (got.Left > 0) != (test.most > 0) {
			t.Errorf("%s: got %+v, %v", test.what, got, err)
		}
	}
	if err := c.Hurry(); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, hotline.ErrMaybeExecuted) {
		t.Errorf("a call that its timeout ends: got %v", err)
	}
	if ctx := <-service.contexts; ctx.Err() != context.DeadlineExceeded {
		t.Errorf("the method's context ended by %v", ctx.Err())
	}
}

// The outcome of a call whose context has ended is the same as over a link, though its method has returned a result.
func TestDirectCallPastItsContext(t *testing.T) {
	_, c := connectNodes(t, new(hotline.Server), hotline.Dialer{})
	for want, end := range map[error]func(ctx context.Context) (context.Context, context.CancelFunc){
		context.DeadlineExceeded: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 10*time.Millisecond)
		},
		context.Canceled: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			go cancel()
			return ctx, cancel
		},
	} {
		ctx, cancel := end(t.Context())
		n, err := c.Late(ctx, 5)
		if n != 0 || !errors.Is(err, want) || !errorsIsOutcome(err) {
			t.Errorf("got %d, %v, want %v and what became of the call", n, err, want)
		}
		<-ctx.Done() // the deadline was seen by another clock
		if _, err := c.Late(ctx, 5); !errors.Is(err, want) || !errors.Is(err, hotline.ErrNotExecuted) {
			t.Errorf("a call with a context that has ended: got %v", err)
		}
		cancel()
	}
}

// A method that ends its goroutine ends that of its caller, and nothing else.
func TestDirectGoexit(t *testing.T) {
	var log wait.Output
	logger := zerolog.New(&log)
	srv := &hotline.Server{Logger: &logger}
	_, c := connectNodes(t, srv, hotline.Dialer{})
	returned := false
	var caller sync.WaitGroup
	caller.Go(func() {
		_ = c.Goexit(t.Context())
		returned = true
	})
	caller.Wait()
	if returned {
		t.Error("the caller's goroutine goes on")
	}
	if n := hotline.InFlight(c.Client()); n != 0 {
		t.Errorf("%d calls are in flight", n)
	}
	if text := log.String(); !strings.Contains(text, "handler ended its goroutine, which was its caller's") || !strings.Contains(text, "nodeServer).Goexit") {
		t.Errorf("log: got %s, want it to say so with the stack", text)
	}
	if n, err := c.Count(t.Context(), 3); err != nil || n != 3 {
		t.Errorf("Count after it: got %d, %v", n, err)
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// Direct calls are in flight as others are: what is over the limit waits.
func TestDirectMaxInFlight(t *testing.T) {
	service, c := connectNodes(t, &hotline.Server{MaxInFlight: 1}, hotline.Dialer{})
	held := make(chan error)
	go func() { held <- c.Hold(context.Background()) }()
	<-service.holding
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Count(ctx, 1); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, hotline.ErrNotExecuted) {
		t.Errorf("a call over the limit: got %v", err)
	}
	close(service.letGo)
	if err := <-held; err != nil {
		t.Errorf("Hold: %v", err)
	}
	if _, err := c.Count(t.Context(), 1); err != nil {
		t.Errorf("Count after it: %v", err)
	}
}

// Close ends the contexts of direct calls, whose outcome is then that of a lost link.
func TestCloseEndsDirectCalls(t *testing.T) {
	service, c := connectNodes(t, new(hotline.Server), hotline.Dialer{})
	ended := make(chan error)
	go func() { ended <- c.Await(context.Background()) }()
	<-service.contexts
	c.Close()
	if err := <-ended; !errors.Is(err, hotline.ErrClosed) || !errors.Is(err, hotline.ErrMaybeExecuted) {
		t.Errorf("a call under way at Close: got %v", err)
	}
	if _, err := c.Count(t.Context(), 1); !errors.Is(err, hotline.ErrClosed) || !errors.Is(err, hotline.ErrNotExecuted) {
		t.Errorf("a call after Close: got %v", err)
	}
}

// While a server stops under load, each call is executed once or not at all, and its caller knows which.
func TestDirectCallsWhileTheServerStops(t *testing.T) {
	for range 20 {
		srv := &hotline.Server{InprocOnly: true}
		service, c := connectNodes(t, srv, hotline.Dialer{})
		var did atomic.Int64
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for {
					switch _, err := c.Count(context.Background(), 1); {
					case err == nil:
						did.Add(1)
						continue
					case !errors.Is(err, hotline.ErrNotExecuted):
						t.Errorf("Count: got %v, want ErrNotExecuted", err)
					}
					return
				}
			})
		}
		wait.Until(t, "calls", func() bool { return did.Load() > 100 })
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		c.Close() // its callers wait for another server
		callers.Wait()
		if n := service.count.Load(); n != did.Load() {
			t.Errorf("%d calls were executed, and %d succeeded", n, did.Load())
		}
	}
}

// A direct client whose server has stopped goes on over a link, with the same functions.
func TestDirectThenOverALink(t *testing.T) {
	first, second := newNodes(), newNodes()
	here, nop := &hotline.Server{InprocOnly: true}, zerolog.Nop()
	here.Logger = &nop
	if err := here.Register(first); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- here.Serve(context.Background()) }()
	c, d := new(nodeClient), &hotline.Dialer{Dir: serve(t, new(hotline.Server), second), Server: here, Direct: true}
	if err := d.Connect(t.Context(), c, "inproc://", "unix://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n := &node{"name", 7}
	if got, err := c.Same(t.Context(), n); err != nil || got != n {
		t.Errorf("Same: got %p, %v, want %p", got, err, n)
	}
	if err := here.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	for range 2 {
		if got, err := c.Same(t.Context(), n); err != nil || got == n || *got != (node{Name: "name"}) {
			t.Errorf("Same over a link: got %+v, %v", got, err)
		}
	}
	if got := c.Client().Service().Address; !strings.HasPrefix(got, "unix://") {
		t.Errorf("the client is linked by %s", got)
	}
}

// otherClient has types of its own, which are encoded alike.
type otherClient struct {
	hotline.ClientMethodsBase `name:"nodes"`
	Same                      func(ctx context.Context, n *otherNode) (*otherNode, error)
	Count                     func(ctx context.Context, n int) (int, error)
	Lists                     func(ctx context.Context, n int64) (int, error) `name:"Count"`
	Note                      func(ctx context.Context) error                 `name:"Spare" oneway:"true"`
	Fixed                     func(ctx context.Context) ([]byte, error)
}

type otherNode struct{ Name string }

// Where the types differ a call goes through the codec, and one line of the log says which do.
func TestDirectNeedsTheSameTypes(t *testing.T) {
	srv := new(hotline.Server)
	serve(t, srv, newNodes())
	var log wait.Output
	logger := zerolog.New(&log)
	d := &hotline.Dialer{Server: srv, Direct: true, Logger: &logger}
	var c otherClient
	if err := d.Connect(t.Context(), &c, "inproc://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n := &otherNode{"name"}
	if got, err := c.Same(t.Context(), n); err != nil || got == n || *got != *n {
		t.Errorf("Same: got %+v, %v", got, err)
	}
	if got, err := c.Lists(t.Context(), 5); err != nil || got != 5 {
		t.Errorf("Count of an int64: got %d, %v", got, err)
	}
	if got, err := c.Count(t.Context(), 5); err != nil || got != 5 {
		t.Errorf("Count: got %d, %v", got, err)
	}
	if got, err := c.Fixed(t.Context()); err != nil || string(got) != "fixed" {
		t.Errorf("Fixed: got %s, %v", got, err)
	}
	if err := c.Note(t.Context()); err != nil {
		t.Errorf("Note: %v", err)
	}
	text := log.String()
	if strings.Count(text, "these are not called directly") != 1 || !strings.Contains(text, "here Same(context.Context, *hotline_test.otherNode)") ||
		!strings.Contains(text, "there Same(context.Context, *hotline_test.node)") || !strings.Contains(text, "(here Lists(") ||
		!strings.Contains(text, "(here Note(") || strings.Contains(text, "(here Fixed(") {
		t.Errorf("log: got %s", text)
	}
}

// A server that is reached within its process only is in no directory, and a client may come before it serves.
func TestInprocOnly(t *testing.T) {
	nop := zerolog.Nop()
	srv := &hotline.Server{InprocOnly: true, Dir: t.TempDir() + "/never made", Logger: &nop}
	service := newLifeCycle()
	if err := srv.Register(service); err != nil {
		t.Fatal(err)
	}
	connected := make(chan error)
	var c lifeClient
	go func() {
		d := &hotline.Dialer{Server: srv, Timeout: patience}
		connected <- d.Connect(context.Background(), &c, "inproc://")
	}()
	ended := make(chan error)
	go func() { ended <- srv.Serve(context.Background()) }()
	if err := <-connected; err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Nop(); err != nil {
		t.Errorf("Nop: %v", err)
	}
	if info := c.Client().Service(); info.Instance == "" || info.Address != "inproc://" {
		t.Errorf("Service: got %+v", info)
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	wantEvents(t, service, "start", "stop")
	if _, err := (&hotline.Dialer{Dir: t.TempDir()}).Dial(t.Context(), "life_cycle"); !errors.As(err, new(*hotline.NotFoundError)) {
		t.Errorf("in the directory: got %v", err)
	}
}

// TestInprocTellsMajorsApart: of two services of one name a client reaches the one of its version, whichever was registered first.
func TestInprocTellsMajorsApart(t *testing.T) {
	srv, first := &hotline.Server{InprocOnly: true}, newCrew(1)[0]
	serve(t, srv, first, &laterCrew{crewServer: crewServer{id: 2}})
	d := &hotline.Dialer{Server: srv, Timeout: patience}
	for service, want := range map[string]int{"crew": first.id, "crew@1": first.id, "crew@2": 2, "crew2": 2} {
		c, err := d.Dial(t.Context(), service, "inproc://")
		if err != nil {
			t.Errorf("Dial(%s): %v", service, err)
			continue
		}
		defer c.Close()
		var id int
		if err := c.Call(t.Context(), "Who", &id); err != nil || id != want {
			t.Errorf("Who of %s: got %d, %v, want %d", service, id, err, want)
		}
	}
	var c struct {
		hotline.ClientMethodsBase `name:"crew" version:"2.1"`
		crewMethods
	}
	if err := d.Connect(t.Context(), &c, "inproc://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if id, err := c.Who(t.Context()); err != nil || id != 2 {
		t.Errorf("Who by a client of version 2.1: got %d, %v, want 2", id, err)
	}
	var none struct {
		hotline.ClientMethodsBase `port:"crew" version:"2"`
		crewMethods
	}
	if err := d.Connect(t.Context(), &none, "inproc://"); err == nil || !strings.Contains(err.Error(), "service crew of version 2 is not one of") {
		t.Errorf("Connect to the port of version 1: got %v", err)
	}
}

// The error says what is missing.
func TestInprocRefuses(t *testing.T) {
	idle := &hotline.Server{InprocOnly: true}
	if err := idle.Register(newLifeCycle()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		srv  *hotline.Server
		name string
		want string
	}{
		{nil, "life_cycle", "needs Dialer.Server"},
		{idle, "others", "service others is not one of Dialer.Server's: Register it there"},
		{idle, "life_cycle@7", "service life_cycle@7 is not one of Dialer.Server's: Register it there"},
		{idle, "life_cycle", "is not served yet: call Serve beside Connect"},
	} {
		d := &hotline.Dialer{Server: test.srv, Timeout: 10 * time.Millisecond}
		if _, err := d.Dial(t.Context(), test.name, "inproc://"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Dial: got %v, want %q", err, test.want)
		}
	}
}
