// Package hotlinetest connects a client to services in the process of a test: the calls are those of a program, with the same
// codecs and checks, without a socket, a file or another process.
//
//	func TestSum(t *testing.T) {
//		var adder Client
//		hotlinetest.Connect(t, &adder, new(Server))
//		sum, err := adder.Sum(t.Context(), 2, 3)
//		...
//	}
//
// A [Pair] has options, and connects several clients. When the test ends the clients are closed and the server is
// stopped; nothing is left.
package hotlinetest

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"hotline"
)

// T is what is needed of a test: a [testing.TB] is one.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Connect serves services in this process and connects client to one of them, until the test ends. services are what
// [hotline.Server.Register] takes, client what [hotline.Connect] does; what they refuse fails the test. For other
// clients of the same services it returns the pair.
func Connect(t T, client any, services ...any) *Pair {
	t.Helper()
	p := new(Pair)
	p.Serve(t, services...)
	p.Connect(t, client)
	return p
}

// Pair is a server of a test, and how clients are connected to it. Serve is called once, and then Connect and Dial any number
// of times. The zero value has the defaults of both sides, and is for one test.
type Pair struct {
	// Server has the options of the server; nil for the defaults. Serve registers the services and serves them, by
	// inproc:// alone (InprocOnly). Without a Logger, warnings and errors, such as the stack of a method that
	// panicked, go to the test's log.
	Server *hotline.Server

	// Dialer has the options of the clients; nil for the defaults. Its Server is not looked at. Where it is Direct the methods
	// are called without their codecs.
	Dialer *hotline.Dialer

	serving context.Context // ends when Serve of the server has returned
	stop    func() error    // ends the server, and returns what Serve did
	failed  bool            // the test has failed of what stop returns, or would
}

// Serve serves services until the test ends. It fails the test where one can't be registered; and at the end where its Start
// or Stop has failed, or a method still runs.
func (p *Pair) Serve(t T, services ...any) {
	t.Helper()
	if p.Server == nil {
		p.Server = new(hotline.Server)
	}
	for _, s := range services {
		if err := p.Server.Register(s); err != nil {
			t.Fatalf("hotlinetest: %v", err)
		}
	}
	p.Server.InprocOnly = true
	log := &testLog{t: t}
	if p.Server.Logger == nil {
		l := zerolog.New(zerolog.ConsoleWriter{Out: log, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName}}).Level(zerolog.WarnLevel)
		p.Server.Logger = &l
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	serving, over := context.WithCancel(context.Background())
	go func() {
		defer over()
		ended <- p.Server.Serve(ctx)
	}()
	p.serving = serving
	p.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		t.Helper()
		if err := p.stop(); err != nil && !p.failed {
			t.Errorf("hotlinetest: %v", err)
		}
		log.end()
	})
}

// Connect connects a client until the test ends, or is closed before. It fails the test where the client does not fit a
// service, and says then why the server could not serve if that is the cause.
func (p *Pair) Connect(t T, client any) {
	t.Helper()
	d := p.dialer(t)
	ctx, cancel := p.whileServing(t)
	defer cancel()
	if err := d.Connect(ctx, client, address); err != nil {
		p.fail(t, err)
	}
	c := client.(interface{ Close() error }) // of the base that it embeds
	t.Cleanup(func() { c.Close() })
}

// Dial connects a client for untyped calls until the test ends, as [hotline.Dial] does.
func (p *Pair) Dial(t T, service string) *hotline.Client {
	t.Helper()
	d := p.dialer(t)
	ctx, cancel := p.whileServing(t)
	defer cancel()
	c, err := d.Dial(ctx, service, address)
	if err != nil {
		p.fail(t, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// address is how all clients are connected.
const address = "inproc://"

// dialer returns the options of a client.
func (p *Pair) dialer(t T) hotline.Dialer {
	t.Helper()
	if p.stop == nil {
		t.Fatalf("hotlinetest: there is no server: call Serve before Connect and Dial")
	}
	var d hotline.Dialer
	if p.Dialer != nil {
		d = *p.Dialer
	}
	d.Server = p.Server
	return d
}

// whileServing returns a context for connecting: there is nothing to wait for when Serve has returned.
func (p *Pair) whileServing(t T) (context.Context, func()) {
	ctx, cancel := context.WithCancel(t.Context())
	stop := context.AfterFunc(p.serving, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// fail fails the test because a client could not be connected, and says how the server fares.
func (p *Pair) fail(t T, err error) {
	t.Helper()
	p.failed = true
	if cause := p.stop(); cause != nil {
		t.Fatalf("hotlinetest: %v", cause)
	}
	t.Fatalf("hotlinetest: %v", err)
}
