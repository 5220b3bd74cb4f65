package hotline_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/wait"
	"hotline/registry"
)

// lifeCycle notes what happens to it.
type lifeCycle struct {
	hotline.ServerMethodsBase `port:"life" name:"life_cycle"`
	fail                      error
	begun                     chan struct{}
	finish                    chan struct{}
	events                    chan string
}

func newLifeCycle() *lifeCycle {
	return &lifeCycle{begun: make(chan struct{}), finish: make(chan struct{}), events: make(chan string, 8)}
}

func (s *lifeCycle) Start(context.Context) error { s.events <- "start"; return s.fail }
func (s *lifeCycle) Stop(context.Context) error  { s.events <- "stop"; return nil }

func (s *lifeCycle) Nop() {}

// Work ends when the test lets it, or when its context does.
func (s *lifeCycle) Work(ctx context.Context) error {
	close(s.begun)
	select {
	case <-s.finish:
		s.events <- "worked"
		return nil
	case <-ctx.Done():
		s.events <- "cut off"
		return ctx.Err()
	}
}

type lifeClient struct {
	hotline.ClientMethodsBase `name:"life_cycle"`
	Nop                       func() error
	Work                      func(ctx context.Context) error
}

// overEveryWay serves a service of its own, and connects to it, in each way.
func overEveryWay(t *testing.T, test func(t *testing.T, srv *hotline.Server, service *lifeCycle, c *lifeClient)) {
	t.Helper()
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			srv, service := new(hotline.Server), newNumberedLifeCycle()
			if way == "tcp" {
				srv.TCPBind = "127.0.0.1:0"
			}
			dir, c := serve(t, srv, service), new(lifeClient)
			d, address := dialerBy(t, way, dir, srv)
			if err := d.Connect(t.Context(), c, address); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			test(t, srv, service.lifeCycle, c)
		})
	}
}

// numberedLifeCycle can be reached over TCP too.
type numberedLifeCycle struct {
	hotline.ServerMethodsBase `port:"5591" name:"life_cycle"`
	*lifeCycle
}

func newNumberedLifeCycle() *numberedLifeCycle { return &numberedLifeCycle{lifeCycle: newLifeCycle()} }

func TestShutdownLetsCallsEnd(t *testing.T) {
	t.Parallel()
	overEveryWay(t, func(t *testing.T, srv *hotline.Server, service *lifeCycle, c *lifeClient) {
		call := make(chan error)
		go func() { call <- c.Work(context.Background()) }()
		<-service.begun
		down := make(chan error)
		go func() { down <- srv.Shutdown(t.Context()) }()
		wait.Until(t, "a call that is refused", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // for another instance, which there is not
			defer cancel()
			err := c.Call(ctx, "Nop", nil)
			if err != nil && !errors.Is(err, hotline.ErrNotExecuted) {
				t.Errorf("a call to a draining server: got %v, want ErrNotExecuted", err)
			}
			return err != nil
		})
		close(service.finish)
		if err := <-call; err != nil {
			t.Errorf("the call under way: %v", err)
		}
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		wantEvents(t, service, "start", "worked", "stop")
	})
}

func TestCloseCutsCallsOff(t *testing.T) {
	overEveryWay(t, func(t *testing.T, srv *hotline.Server, service *lifeCycle, c *lifeClient) {
		call := make(chan error)
		go func() { call <- c.Work(context.Background()) }()
		<-service.begun
		srv.Close()
		if err := <-call; err == nil { // the method's, or that of the link's end
			t.Error("the call under way: got no error")
		}
		wantEvents(t, service, "start", "cut off", "stop")
	})
}

// TestCloseCutsDrainShort: Close does not wait for what a drain that has begun before waits for, whoever began it.
func TestCloseCutsDrainShort(t *testing.T) {
	for _, began := range []struct {
		by string
		do func(srv *hotline.Server, cancel func())
	}{
		{"Shutdown", func(srv *hotline.Server, _ func()) { _ = srv.Shutdown(context.Background()) }},
		{"the context of Serve", func(_ *hotline.Server, cancel func()) { cancel() }},
	} {
		t.Run(began.by, func(t *testing.T) {
			t.Parallel()
			nop := zerolog.Nop()
			srv := &hotline.Server{InprocOnly: true, DrainTimeout: time.Hour, Logger: &nop}
			service := newLifeCycle()
			if err := srv.Register(service); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- srv.Serve(ctx) }()
			var c lifeClient
			if err := (&hotline.Dialer{Server: srv}).Connect(t.Context(), &c, "inproc://"); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			call := make(chan error, 1)
			go func() { call <- c.Work(context.Background()) }()
			wait.Receive(t, "the call under way", service.begun)
			var beginner sync.WaitGroup
			beginner.Go(func() { began.do(srv, cancel) })
			wait.Until(t, "a drain", func() bool { return hotline.Draining(srv) })
			wait.Return(t, "the end of Close", func() { srv.Close() })
			wait.Return(t, "the end of who began the drain", beginner.Wait)
			if err := wait.Receive(t, "the end of the call", call); err == nil {
				t.Error("the call under way: got no error")
			}
			if err := wait.Receive(t, "the end of Serve", ended); err != nil && !strings.Contains(err.Error(), "cut off") {
				t.Errorf("Serve: %v", err)
			}
			wantEvents(t, service, "start", "cut off", "stop")
		})
	}
}

func TestStartFails(t *testing.T) {
	service := newLifeCycle()
	service.fail = errors.New("no model file")
	nop := zerolog.Nop()
	srv := &hotline.Server{Dir: t.TempDir(), Logger: &nop}
	if err := srv.Register(service); err != nil {
		t.Fatal(err)
	}
	if err := srv.Serve(t.Context()); !errors.Is(err, service.fail) || !strings.Contains(err.Error(), "life_cycle") {
		t.Errorf("Serve: got %v, want the error of Start", err)
	}
	d, err := registry.Open(srv.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := d.List(); err != nil || len(all) != 0 {
		t.Errorf("left in the registry: %v, %v", all, err)
	}
}

func TestPortAndNameConflict(t *testing.T) {
	dir := serve(t, new(hotline.Server), new(echoServer))
	nop := zerolog.Nop()
	srv := &hotline.Server{Dir: dir, Logger: &nop}
	if err := srv.Register(&rival{}); err != nil {
		t.Fatal(err)
	}
	err := srv.Serve(t.Context())
	var conflict *registry.ConflictError
	if !errors.As(err, &conflict) || conflict.Holder.Name != "echo_serv" {
		t.Errorf("Serve on a taken port: got %v, want a ConflictError that names echo_serv", err)
	}
}

// rival wants the port of another service.
type rival struct {
	hotline.ServerMethodsBase `port:"5555" name:"rival"`
}

func (*rival) One() {}

func TestServeRefuses(t *testing.T) {
	for _, c := range []struct {
		srv  *hotline.Server
		want string
	}{
		{&hotline.Server{}, "Register"},
		{&hotline.Server{MaxMessage: -1}, "must not be negative"},
		{&hotline.Server{TCPBind: "127.0.0.1"}, "is a word"},
	} {
		nop := zerolog.Nop()
		c.srv.Logger = &nop
		c.srv.Dir = t.TempDir()
		if c.want != "Register" {
			if err := c.srv.Register(newLifeCycle()); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.srv.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Serve: got %v, want an error with %q", err, c.want)
		}
	}
}

func wantEvents(t *testing.T, s *lifeCycle, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := <-s.events; got != w {
			t.Errorf("event: got %q, want %q", got, w)
		}
	}
}
