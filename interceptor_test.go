package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/internal/wait"
)

// passOn hands a call on, with a context of its own.
func passOn(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
	type key struct{}
	return next(context.WithValue(ctx, key{}, call))
}

var handOn = []hotline.Interceptor{passOn, passOn}

// records is what interceptors have seen, in the order in which calls ended.
type records struct {
	mu  sync.Mutex
	all []record
}

type record struct {
	call    hotline.Call
	err     error
	outcome string
}

func (r *records) intercept(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
	err := next(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, record{*call, err, call.Outcome(err)})
	return err
}

// take waits for one record and returns it.
func (r *records) take(t *testing.T) record {
	t.Helper()
	wait.Until(t, "the end of a call", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.all) > 0
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) > 1 {
		t.Errorf("%d calls were seen, want 1", len(r.all))
	}
	one := r.all[0]
	r.all = nil
	return one
}

func connectWith(t *testing.T, client any, dir, address string, interceptors ...hotline.Interceptor) {
	t.Helper()
	d := &hotline.Dialer{Dir: dir, Interceptors: interceptors}
	if err := d.Connect(t.Context(), client, address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.(io.Closer).Close() })
}

// What interceptors of both sides learn of calls of every kind.
func TestInterceptorsSeeCalls(t *testing.T) {
	var here, there records
	dir := serve(t, &hotline.Server{Interceptors: []hotline.Interceptor{there.intercept}}, new(streamServer), new(echoServer))
	var streams streamClient
	var echo echoClient
	connectWith(t, &streams, dir, "unix://", here.intercept)
	connectWith(t, &echo, dir, "unix://", here.intercept)
	ctx := t.Context()
	ten := func(yield func(int) bool) {
		for i := range 10 {
			if !yield(i) {
				return
			}
		}
	}
	tests := []struct {
		method  string
		kind    hotline.CallKind
		codec   string
		outcome string // at the client; "" for ok
		there   string // at the server, where it differs
		sent    int64  // at least
		came    int64
		make    func() error
	}{
		{"EchoRaw", hotline.Unary, "raw", "", "", 100, 100, func() error { _, err := echo.EchoRaw(ctx, make([]byte, 100)); return err }},
		{"Sum", hotline.Unary, "msgpack", "", "", 2, 1, func() error { _, err := echo.Sum(ctx, 2, 3); return err }},
		{"Sum", hotline.Unary, "msgpack", "", "", 2, 1, func() error { return echo.Call(ctx, "Sum", nil, 2, 3) }},
		{"Divide", hotline.Unary, "cbor", "application error", "", 2, 0, func() error { _, _, err := echo.Divide(ctx, 2, 0); return err }},
		{"Panic", hotline.Unary, "json", "panic", "", 0, 0, func() error { return echo.Panic() }},
		{"Count", hotline.ServerStreaming, "json", "", "", 2, 20, func() error { _, err := collect(streams.Count(ctx, 10)); return err }},
		{"Count", hotline.ServerStreaming, "json", "application error", "", 2, 10, func() error { _, err := collect(streams.Count(ctx, 5)); return err }},
		{"Endless", hotline.ServerStreaming, "msgpack", "canceled", "canceled", 0, 1, func() error {
			for range streams.Endless(ctx) {
				break
			}
			return context.Canceled
		}},
		{"Total", hotline.ClientStreaming, "msgpack", "", "", 20, 1, func() error { _, err := streams.Total(ctx, 1, ten); return err }},
		{"Squares", hotline.Bidirectional, "cbor", "", "", 30, 30, func() error {
			_, err := collect(streams.Squares(ctx, numbers(10, func(i int) float64 { return float64(i) })))
			return err
		}},
		{"Get", hotline.ServerStreaming, "raw", "", "", 1, 0, func() error {
			r, err := streams.Get(ctx, []byte("x"))
			if err == nil {
				_, err = io.Copy(io.Discard, r)
				r.Close()
			}
			return err
		}},
		{"Put", hotline.ClientStreaming, "raw", "", "", 1001, 0, func() error {
			_, err := streams.Put(ctx, []byte("x"), strings.NewReader(strings.Repeat("x", 1000)))
			return err
		}},
	}
	for _, test := range tests {
		name := test.method + " " + test.outcome
		if err := test.make(); (err == nil) != (test.outcome == "") {
			t.Errorf("%s: %v", name, err)
		}
		near, far := here.take(t), there.take(t)
		for side, got := range map[string]record{"client": near, "server": far} {
			c := got.call
			if c.Method != test.method || c.Kind != test.kind || c.Codec != test.codec || c.Began.IsZero() || c.Incoming != (side == "server") {
				t.Errorf("%s at the %s: got %s, %v, codec %s, began %v, incoming %v", name, side, c.Method, c.Kind, c.Codec, c.Began, c.Incoming)
			}
			if c.RequestSize < test.sent || c.ReplySize < test.came {
				t.Errorf("%s at the %s: sizes %d and %d, want %d and %d at least", name, side, c.RequestSize, c.ReplySize, test.sent, test.came)
			}
			if c.Peer.PID != os.Getpid() || c.Peer.UID != os.Getuid() || !strings.HasPrefix(c.Peer.Address, "unix://") {
				t.Errorf("%s at the %s: peer %+v", name, side, c.Peer)
			}
			if c.Service == "" || (side == "client") != (c.Peer.Instance != "") {
				t.Errorf("%s at the %s: service %q, instance %q", name, side, c.Service, c.Peer.Instance)
			}
			want := test.outcome
			if want == "" {
				want = "ok"
			}
			if got.outcome != want {
				t.Errorf("%s at the %s: outcome %q (%v), want %q", name, side, got.outcome, got.err, want)
			}
		}
	}
}

// The first of several is the outermost, on both sides.
func TestInterceptorsAreNested(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, text)
	}
	named := func(name string) hotline.Interceptor {
		return func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
			note(name + " in")
			err := next(ctx)
			note(name + " out")
			return err
		}
	}
	dir := serve(t, &hotline.Server{Interceptors: []hotline.Interceptor{named("s1"), named("s2")}}, new(echoServer))
	var c echoClient
	connectWith(t, &c, dir, "shm://", named("c1"), named("c2"))
	if _, err := c.Sum(t.Context(), 1, 2); err != nil {
		t.Fatal(err)
	}
	want := "c1 in,c2 in,s1 in,s2 in,s2 out,s1 out,c2 out,c1 out"
	if got := strings.Join(order, ","); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What a server's interceptor may make of a call, and what its caller learns.
func TestServerInterceptorsDecide(t *testing.T) {
	refuse := func(err error) hotline.Interceptor {
		return func(context.Context, *hotline.Call, func(context.Context) error) error { return err }
	}
	after := func(make func(error) error) hotline.Interceptor {
		return func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
			return make(next(ctx))
		}
	}
	tests := []struct {
		name    string
		what    hotline.Interceptor
		call    func(c *echoClient) error
		code    hotline.Code
		text    string
		not     bool // executed
		is      error
		outcome string
	}{
		{name: "refused by any error", what: refuse(fmt.Errorf("who are you? %w", io.EOF)), code: hotline.CodeNotAllowed,
			text: "who are you? EOF", not: true, is: io.EOF, outcome: "not allowed"},
		{name: "refused by a code", what: refuse(&hotline.Error{Code: hotline.CodeExhausted, Message: "come again"}),
			code: hotline.CodeExhausted, text: "come again", not: true, outcome: "too many calls"},
		{name: "refused by a code that says executed", what: refuse(&hotline.Error{Code: hotline.CodePanic, Message: "liar"}),
			code: hotline.CodeNotAllowed, text: "liar", not: true, outcome: "not allowed"},
		{name: "no next and no error", what: refuse(nil), code: hotline.CodeNotAllowed, text: "did not call next", not: true, outcome: "not allowed"},
		{name: "failed afterwards", what: after(func(error) error { return io.ErrUnexpectedEOF }),
			code: hotline.CodeApplication, text: "unexpected EOF", is: io.ErrUnexpectedEOF, outcome: "application error"},
		{name: "a refusal afterwards is none", what: after(func(error) error { return &hotline.Error{Code: hotline.CodeExhausted, Message: "late"} }),
			code: hotline.CodeApplication, text: "late", outcome: "application error"},
		{name: "a panic wrapped", what: after(func(err error) error { return fmt.Errorf("wrapped: %w", err) }),
			call: func(c *echoClient) error { return c.Panic() }, code: hotline.CodePanic, text: "wrapped: hotline: Panic: the method panicked: as asked", outcome: "panic"},
		{name: "a panic of its own", what: func(context.Context, *hotline.Call, func(context.Context) error) error { panic("mine") },
			code: hotline.CodePanic, text: "panicked: mine"},
		{name: "twice", what: func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
			return errors.Join(next(ctx), next(ctx))
		}, code: hotline.CodeApplication, text: "second time", outcome: "application error"},
		{name: "hidden", what: after(func(error) error { return nil }), outcome: "ok"},
		{name: "hidden failure", what: after(func(error) error { return nil }), code: hotline.CodeApplication,
			call: func(c *echoClient) error { _, _, err := c.Divide(t.Context(), 1, 0); return err }, text: "no error, and the call has failed: division by zero"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var seen records
			dir := serve(t, &hotline.Server{Interceptors: []hotline.Interceptor{seen.intercept, test.what}}, new(echoServer))
			var c echoClient
			connectWith(t, &c, dir, "unix://")
			call := test.call
			if call == nil {
				call = func(c *echoClient) error { _, err := c.Sum(t.Context(), 1, 2); return err }
			}
			err := call(&c)
			if test.outcome != "" {
				if got := seen.take(t).outcome; got != test.outcome {
					t.Errorf("outcome %q, want %q", got, test.outcome)
				}
			}
			if test.code == 0 {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			remote, ok := errors.AsType[*hotline.Error](err)
			if !ok || remote.Code != test.code || !strings.Contains(remote.Message, test.text) {
				t.Fatalf("got %#v, want code %v and %q", err, test.code, test.text)
			}
			if errors.Is(err, hotline.ErrNotExecuted) != test.not || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v: is ErrNotExecuted %v, want %v", err, !test.not, test.not)
			}
		})
	}
}

// What a client's interceptor may do instead of handing a call on once.
func TestClientInterceptorsDecide(t *testing.T) {
	dir := serve(t, new(hotline.Server), new(echoServer), new(streamServer))
	own := fmt.Errorf("closed for today: %w", hotline.ErrNotExecuted)
	refuse := func(context.Context, *hotline.Call, func(context.Context) error) error { return own }
	twice := func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
		if err := next(ctx); err != nil {
			return err
		}
		return next(ctx)
	}
	hide := func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
		next(ctx)
		return nil
	}
	forget := func(context.Context, *hotline.Call, func(context.Context) error) error { return nil }
	tests := []struct {
		name    string
		what    hotline.Interceptor
		sum     string // in the error of each kind of call; "" for none
		streams string
		sleep   string // of a call that fails
	}{
		{"hand on", passOn, "", "", "deadline"},
		{"refuse", refuse, own.Error(), own.Error(), own.Error()},
		{"twice", twice, "", "a second time", "deadline"},
		{"hide", hide, "", "", "deadline"},
		{"forget", forget, "did not call next", "did not call next", "did not call next"},
	}
	for _, test := range tests {
		var echo echoClient
		var streams streamClient
		connectWith(t, &echo, dir, "unix://", test.what)
		connectWith(t, &streams, dir, "unix://", test.what)
		ctx := t.Context()
		check := func(call, want string, err error) {
			t.Helper()
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s: got %v, want %q", test.name, call, err, want)
			}
		}
		n, err := echo.Sum(ctx, 1, 2)
		check("Sum", test.sum, err)
		if err == nil && n != 3 {
			t.Errorf("%s: Sum: got %d", test.name, n)
		}
		n = 0
		err = echo.Call(ctx, "Sum", &n, 1, 2)
		check("untyped Sum", test.sum, err)
		if err == nil && n != 3 {
			t.Errorf("%s: untyped Sum: got %d", test.name, n)
		}
		short, cancel := context.WithTimeout(ctx, 1)
		check("Sleep", test.sleep, echo.Sleep(short, patience))
		cancel()
		_, err = collect(streams.Count(ctx, 10))
		check("Count", test.streams, err)
		_, err = streams.Total(ctx, 1, func(yield func(int) bool) { yield(1) })
		check("Total", test.streams, err)
		r, err := streams.Get(ctx, []byte("x"))
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			r.Close()
		}
		check("Get", test.streams, err)
	}
}

// Interceptors of both sides send and see metadata, and the method sees what they put into its context.
func TestInterceptorsAndMetadata(t *testing.T) {
	type key struct{}
	srv := &hotline.Server{Interceptors: []hotline.Interceptor{
		func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
			user := hotline.IncomingMetadata(ctx)["user"]
			if err := hotline.SetReplyMetadata(ctx, "seen", user); err != nil {
				return err
			}
			return next(context.WithValue(ctx, key{}, user))
		},
	}}
	service := &valueServer{key: key{}}
	dir := serve(t, srv, service)
	var c struct {
		hotline.ClientMethodsBase `name:"values"`
		Value                     func(ctx context.Context) (string, error)
	}
	var seen string
	connectWith(t, &c, dir, "unix://", func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
		var reply hotline.Metadata
		err := next(hotline.WithReplyMetadata(hotline.WithMetadata(ctx, "user", "ada"), &reply))
		seen = reply["seen"]
		return err
	})
	if got, err := c.Value(t.Context()); got != "ada" || err != nil || seen != "ada" {
		t.Errorf("got %q, %v, and %q beside it", got, err, seen)
	}
}

// valueServer tells what its context has.
type valueServer struct {
	hotline.ServerMethodsBase `port:"5571" name:"values"`
	key                       any
}

func (s *valueServer) Value(ctx context.Context) string { v, _ := ctx.Value(s.key).(string); return v }

// A client's interceptors see one call, however many instances it went to, and who answered in the end.
func TestInterceptorsSeeOneCall(t *testing.T) {
	dir, crew := tempDir(t), newCrew(2)
	first := start(t, dir, 1, crew[0])
	var seen records
	c := connectCrew(t, &hotline.Dialer{Dir: dir, Interceptors: []hotline.Interceptor{seen.intercept}}, "unix://")
	before := c.Client().Service().Instance
	start(t, dir, 2, crew[1])
	first.leave(t)
	if _, err := c.Who(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := seen.take(t).call.Peer.Instance; got == before || got != c.Client().Service().Instance {
		t.Errorf("answered by %q, linked to %q, before to %q", got, c.Client().Service().Instance, before)
	}
}

// What may be made again of calls whose server was killed, and of one that comes too late.
func TestRepeatable(t *testing.T) {
	dir, peer := startPeer(t)
	var mu sync.Mutex
	got := make(map[string]bool)
	note := func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
		err := next(ctx)
		mu.Lock()
		defer mu.Unlock()
		got[fmt.Sprintf("%s, idempotent %v: %s", call.Method, call.Idempotent, call.Outcome(err))] = call.Repeatable(err)
		return err
	}
	var c struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		Sum                       func(ctx context.Context, a, b int) (int, error)
		Sleep                     func(ctx context.Context, d time.Duration) error
		Again                     func(ctx context.Context, d time.Duration) error `name:"Sleep" idempotent:"true"`
	}
	d := &hotline.Dialer{Dir: dir, Timeout: 100 * time.Millisecond, Interceptors: []hotline.Interceptor{note}}
	if err := d.Connect(t.Context(), &c, addressOf(t, dir, "unix")); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	c.Sum(over, 1, 2)
	var calls sync.WaitGroup
	calls.Go(func() { c.Sleep(t.Context(), time.Hour) })
	calls.Go(func() { c.Again(t.Context(), time.Hour) })
	wait.Until(t, "both calls", func() bool { return hotline.InFlight(c.Client()) == 2 })
	if err := peer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	calls.Wait()
	c.Sum(t.Context(), 1, 2)
	for what, want := range map[string]bool{
		"Sum, idempotent false: canceled":         false,
		"Sum, idempotent false: not executed":     true,
		"Sleep, idempotent false: maybe executed": false,
		"Sleep, idempotent false: not executed":   true,
		"Sleep, idempotent true: maybe executed":  true,
		"Sleep, idempotent true: not executed":    true,
	} {
		if is, ok := got[what]; ok && is != want {
			t.Errorf("%s: repeatable %v, want %v", what, is, want)
		}
	}
	if len(got) != 4 {
		t.Errorf("got %v, want four outcomes", got)
	}
}
