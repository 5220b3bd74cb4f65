package hotlinetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"hotline"
	"hotline/hotlinetest"
	"hotline/internal/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// test is a test that is looked at from outside. Where it fails for good it panics with itself.
type test struct {
	ctx      context.Context
	cancel   context.CancelFunc
	cleanups []func()
	failures []string
	log      []string
}

var _ hotlinetest.T = (*test)(nil)
var _ hotlinetest.T = (testing.TB)(nil)

func newTest() *test {
	v := new(test)
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v
}

func (v *test) Helper()                         {}
func (v *test) Context() context.Context        { return v.ctx }
func (v *test) Cleanup(f func())                { v.cleanups = append(v.cleanups, f) }
func (v *test) Logf(format string, args ...any) { v.log = append(v.log, fmt.Sprintf(format, args...)) }
func (v *test) Errorf(format string, args ...any) {
	v.failures = append(v.failures, fmt.Sprintf(format, args...))
}
func (v *test) Fatalf(format string, args ...any) { v.Errorf(format, args...); panic(v) }

// end does what happens at the end of a test.
func (v *test) end() {
	v.cancel()
	for _, f := range slices.Backward(v.cleanups) {
		f()
	}
}

// run runs a test to its end, and returns what it failed of.
func run(f func(t *test)) (failures []string) {
	v := newTest()
	defer func() {
		if p := recover(); p != nil && p != any(v) {
			panic(p)
		}
		v.end()
		failures = v.failures
	}()
	f(v)
	return nil
}

// moody fails where it is told to.
type moody struct {
	hotline.ServerMethodsBase `port:"moody" name:"moody"`
	start, stop               error
	running                   chan struct{}
}

func (m *moody) Start(context.Context) error { return m.start }
func (m *moody) Stop(context.Context) error  { return m.stop }
func (m *moody) Panic()                      { panic("as asked") }
func (m *moody) Wait(ctx context.Context) error {
	close(m.running)
	<-ctx.Done()
	return ctx.Err()
}

type moodyClient struct {
	hotline.ClientMethodsBase `name:"moody"`
	Panic                     func() error
	Wait                      func(ctx context.Context) error
}

type wrongClient struct {
	hotline.ClientMethodsBase `name:"moody"`
	Missing                   func() error
}

// What is wrong fails the test, once, and says what it is.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		what string
		run  func(t *test)
		want string // empty for none
	}{
		{"nothing", func(t *test) { hotlinetest.Connect(t, new(moodyClient), new(moody)) }, ""},
		{"no service", func(t *test) { hotlinetest.Connect(t, new(moodyClient)) }, "no service to serve"},
		{"not a service", func(t *test) { hotlinetest.Connect(t, new(moodyClient), 5) }, "register int: a service is"},
		{"Start", func(t *test) { hotlinetest.Connect(t, new(moodyClient), &moody{start: errors.New("no model")}) }, "start hotlinetest_test.moody: no model"},
		{"Start, without a client", func(t *test) { new(hotlinetest.Pair).Serve(t, &moody{start: errors.New("no model")}) }, "no model"},
		{"Stop", func(t *test) { hotlinetest.Connect(t, new(moodyClient), &moody{stop: errors.New("no disk")}) }, "no disk"},
		{"another service", func(t *test) { hotlinetest.Connect(t, new(Client), new(moody)) }, "service greeter is not one of"},
		{"another method", func(t *test) { hotlinetest.Connect(t, new(wrongClient), new(moody)) }, "method Missing: the service has none"},
		{"an option", func(t *test) {
			p := hotlinetest.Pair{Server: &hotline.Server{MaxInFlight: -1}}
			p.Serve(t, new(moody))
			p.Dial(t, "moody")
		}, "must not be negative"},
		{"no server", func(t *test) { new(hotlinetest.Pair).Connect(t, new(moodyClient)) }, "call Serve before"},
	} {
		got := run(c.run)
		if c.want == "" && len(got) == 0 || len(got) == 1 && c.want != "" && strings.Contains(got[0], c.want) {
			continue
		}
		t.Errorf("%s: got %q, want one failure with %q", c.what, got, c.want)
	}
}

// A method that panics is seen in the test's log, and a call under way does not outlive the test.
func TestLogAndEnd(t *testing.T) {
	service, ended := &moody{running: make(chan struct{})}, make(chan error, 1)
	v := newTest()
	var c moodyClient
	p := hotlinetest.Connect(v, &c, service)
	var remote *hotline.Error
	if err := p.Dial(v, "moody").Call(t.Context(), "Panic", nil); !errors.As(err, &remote) || remote.Code != hotline.CodePanic {
		t.Errorf("Panic: got %v", err)
	}
	if log := strings.Join(v.log, ""); !strings.Contains(log, "as asked") || !strings.Contains(log, "pair_test.go") {
		t.Errorf("log: got %s, want the panic and its stack", log)
	}
	go func() { ended <- c.Wait(context.Background()) }()
	<-service.running
	v.end()
	if err := wait.Receive(t, "the call's end", ended); !errors.Is(err, hotline.ErrClosed) {
		t.Errorf("Wait: got %v", err)
	}
	if len(v.failures) > 0 {
		t.Errorf("failures: %q", v.failures)
	}
}
