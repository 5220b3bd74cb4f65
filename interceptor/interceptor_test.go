package interceptor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/sony/gobreaker/v2"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"hotline"
	"hotline/codec"
	"hotline/hotlinetest"
	"hotline/interceptor"
	"hotline/internal/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// methods is what the service of the tests and its clients share.
type methods struct {
	Add   func(ctx context.Context, n int) (int, error)
	Twice func(ctx context.Context, n int) (int, error) `idempotent:"true"`
	Fail  func(ctx context.Context) error
	Panic func(ctx context.Context) error
	Hold  func(ctx context.Context) error
	Count func(ctx context.Context, to int) iter.Seq2[int, error]
}

type server struct {
	hotline.ServerMethodsBase `port:"5555" name:"adder"`
	methods
	sum     atomic.Int64
	holding atomic.Int64
	letGo   chan struct{}
}

type client struct {
	hotline.ClientMethodsBase `name:"adder"`
	methods
}

func (s *server) Add(_ context.Context, n int) int   { return int(s.sum.Add(int64(n))) }
func (s *server) Twice(_ context.Context, n int) int { return 2 * n }
func (s *server) Fail(context.Context) error         { return io.ErrUnexpectedEOF }
func (s *server) Panic(context.Context)              { panic("as asked") }
func (s *server) Hold(ctx context.Context) error {
	s.holding.Add(1)
	defer s.holding.Add(-1)
	select {
	case <-s.letGo:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (s *server) Count(_ context.Context, to int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range to {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// serve serves the service in this process, and connects a client to it.
func serve(t *testing.T, s, c []hotline.Interceptor) (*server, *client) {
	t.Helper()
	nop := zerolog.Nop() // of methods that panic
	service, cl := &server{letGo: make(chan struct{})}, new(client)
	p := hotlinetest.Pair{Server: &hotline.Server{Interceptors: s, Logger: &nop}, Dialer: &hotline.Dialer{Interceptors: c}}
	p.Serve(t, service)
	p.Connect(t, cl)
	return service, cl
}

// in is a list of one.
func in(i hotline.Interceptor) []hotline.Interceptor { return []hotline.Interceptor{i} }

// isExhausted reports whether a server refused a call for having too many.
func isExhausted(err error) bool {
	e, ok := errors.AsType[*hotline.Error](err)
	return ok && e.Code == hotline.CodeExhausted && errors.Is(err, hotline.ErrNotExecuted)
}

func TestLog(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	logger := zerolog.New(zerolog.SyncWriter(&locked{&mu, &out}))
	_, c := serve(t, in(interceptor.Log(&logger)), in(interceptor.Log(&logger)))
	ctx := hotline.WithMetadata(t.Context(), "traceparent", "00-1-2-03")
	if _, err := c.Add(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if c.Fail(ctx) == nil || c.Panic(ctx) == nil {
		t.Fatal("no error")
	}
	mu.Lock()
	defer mu.Unlock()
	var got []string
	for line := range strings.Lines(out.String()) {
		var v struct {
			Level, Side, Service, Method, Kind, Peer, Outcome, Error, TraceParent string
			MS                                                                    *float64
			Request                                                               int `json:"request_bytes"`
			Reply                                                                 int `json:"reply_bytes"`
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Join([]string{v.Side, v.Method, v.Level, v.Outcome}, " "))
		if v.Service != "adder" || v.Kind != "unary" || v.Peer == "" || v.MS == nil || (v.Error != "") != (v.Outcome != "ok") ||
			v.Request == 0 || (v.Reply == 0) != (v.Outcome != "ok") || (v.TraceParent != "") != (v.Side == "server") {
			t.Errorf("line %s", line)
		}
	}
	want := "server Add debug ok,client Add debug ok,server Fail warn application error,client Fail warn application error," +
		"server Panic error panic,client Panic error panic"
	if s := strings.Join(got, ","); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// locked is a writer that a test reads from.
type locked struct {
	mu  *sync.Mutex
	out io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func TestLogLevel(t *testing.T) {
	var out bytes.Buffer
	logger := zerolog.New(&out).Level(zerolog.WarnLevel)
	_, c := serve(t, nil, in(interceptor.Log(&logger)))
	c.Add(t.Context(), 1)
	if out.Len() > 0 {
		t.Errorf("a call that went well is in a log of warnings: %s", &out)
	}
}

// Calls beyond the limit are refused at once or after a while, on both sides, and nothing is lost when places are free.
func TestLimit(t *testing.T) {
	for _, test := range []struct {
		name string
		wait time.Duration
	}{{"at once", 0}, {"after a while", time.Millisecond}} {
		for _, side := range []string{"server", "client"} {
			t.Run(test.name+" by the "+side, func(t *testing.T) {
				limit := in(interceptor.Limit(2, test.wait))
				s, c := serve(t, limit, nil)
				if side == "client" {
					s, c = serve(t, nil, limit)
				}
				var held sync.WaitGroup
				for range 2 {
					held.Go(func() {
						if err := c.Hold(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
				wait.Until(t, "both calls", func() bool { return s.holding.Load() == 2 })
				_, err := c.Add(t.Context(), 1)
				_, remote := errors.AsType[*hotline.Error](err)
				if !errors.Is(err, hotline.ErrNotExecuted) || remote != (side == "server") || side == "server" && !isExhausted(err) {
					t.Errorf("the third call: %v", err)
				}
				close(s.letGo)
				held.Wait()
				for range 10 {
					if _, err := c.Add(t.Context(), 1); err != nil {
						t.Errorf("a call when there is room: %v", err)
					}
				}
				if n := s.sum.Load(); n != 10 {
					t.Errorf("the sum is %d, want 10", n)
				}
			})
		}
	}
}

// A call that waits for a place gets it, and one whose context ends meanwhile says so.
func TestLimitWaits(t *testing.T) {
	s, c := serve(t, nil, in(interceptor.Limit(1, time.Hour)))
	var held sync.WaitGroup
	held.Go(func() {
		if err := c.Hold(t.Context()); err != nil {
			t.Error(err)
		}
	})
	wait.Until(t, "the call", func() bool { return s.holding.Load() == 1 })
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Add(short, 1); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, hotline.ErrNotExecuted) {
		t.Errorf("a call whose time is up: %v", err)
	}
	held.Go(func() {
		if _, err := c.Add(t.Context(), 1); err != nil {
			t.Error(err)
		}
	})
	close(s.letGo)
	held.Wait()
}

// A stream has its place until it has ended.
func TestLimitOfStreams(t *testing.T) {
	_, c := serve(t, in(interceptor.Limit(1, 0)), nil)
	for i, err := range c.Count(t.Context(), 100_000) {
		if err != nil {
			t.Fatal(err)
		}
		if i == 5 {
			if _, err := c.Add(t.Context(), 1); !isExhausted(err) {
				t.Errorf("a call beside the stream: %v", err)
			}
			break
		}
	}
	wait.Until(t, "the stream to give up its place", func() bool { _, err := c.Add(t.Context(), 1); return err == nil })
}

func TestRate(t *testing.T) {
	limiter := rate.NewLimiter(0, 3) // three, and no more
	s, c := serve(t, in(interceptor.Rate(limiter, 0)), nil)
	for range 3 {
		if _, err := c.Add(t.Context(), 1); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Add(t.Context(), 1); !isExhausted(err) {
		t.Errorf("the fourth call: %v", err)
	}
	limiter.SetBurst(10)
	limiter.SetLimit(rate.Inf)
	if _, err := c.Add(t.Context(), 1); err != nil || s.sum.Load() != 4 {
		t.Errorf("the fifth call: %v, and the sum is %d", err, s.sum.Load())
	}
}

func TestRateWaits(t *testing.T) {
	limiter := rate.NewLimiter(200, 1)
	_, c := serve(t, nil, in(interceptor.Rate(limiter, time.Hour)))
	for range 5 {
		if _, err := c.Add(t.Context(), 1); err != nil {
			t.Error(err)
		}
	}
	limiter.SetLimit(rate.Every(time.Hour))
	short, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.Add(short, 1); !errors.Is(err, hotline.ErrNotExecuted) { // at once: its token comes too late
		t.Errorf("a call whose token comes after its deadline: %v", err)
	}
}

// What is made again, and how often.
func TestRetry(t *testing.T) {
	exhausted := &hotline.Error{Code: hotline.CodeExhausted, Message: "come again"}
	tests := []struct {
		name     string
		fails    int // times
		err      error
		attempts int64
		ok       bool
	}{
		{"well at once", 0, nil, 1, true},
		{"well in the end", 3, exhausted, 4, true},
		{"refused for ever", 9, exhausted, 4, false},
		{"not allowed", 9, errors.New("go away"), 1, false},
	}
	for _, test := range tests {
		var attempts atomic.Int64
		refuse := func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
			if attempts.Add(1) <= int64(test.fails) {
				return test.err
			}
			return next(ctx)
		}
		s, c := serve(t, in(refuse), in(interceptor.Retry(&interceptor.RetryOptions{First: time.Microsecond, Longest: time.Millisecond})))
		_, err := c.Add(t.Context(), 1)
		if (err == nil) != test.ok || attempts.Load() != test.attempts || (s.sum.Load() == 1) != test.ok {
			t.Errorf("%s: %v after %d attempts, sum %d; want %d attempts", test.name, err, attempts.Load(), s.sum.Load(), test.attempts)
		}
	}
}

// A method's own error, a call that may have run, a stream and a call whose time is up are not made again.
func TestRetryKnowsItsLimits(t *testing.T) {
	var attempts atomic.Int64
	count := func(ctx context.Context, _ *hotline.Call, next func(context.Context) error) error {
		attempts.Add(1)
		return next(ctx)
	}
	options := &interceptor.RetryOptions{First: time.Hour, Longest: time.Hour, Jitter: -1}
	_, c := serve(t, nil, []hotline.Interceptor{interceptor.Retry(options), count})
	check := func(what string, err error) {
		t.Helper()
		if n := attempts.Swap(0); n != 1 || err == nil {
			t.Errorf("%s: %d attempts, %v", what, n, err)
		}
	}
	check("Fail", c.Fail(t.Context()))
	check("Panic", c.Panic(t.Context()))
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	check("Hold", c.Hold(short))
	c.Close()
	_, err := c.Add(t.Context(), 1)
	check("a closed client", err)
	for _, e := range c.Count(t.Context(), 1) {
		check("a stream", e)
	}
}

// Who says so makes more calls again; a pause that would be over the deadline is not begun.
func TestRetryIf(t *testing.T) {
	var asked atomic.Int64
	all := &interceptor.RetryOptions{First: time.Microsecond, Attempts: 3, If: func(call *hotline.Call, err error) bool {
		asked.Add(1)
		return call.Method == "Fail"
	}}
	_, c := serve(t, nil, in(interceptor.Retry(all)))
	if err := c.Fail(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) || asked.Load() != 2 {
		t.Errorf("got %v, asked %d times, want 2", err, asked.Load())
	}
	slow := &interceptor.RetryOptions{First: time.Hour, Longest: time.Hour, If: func(*hotline.Call, error) bool { return true }}
	_, c = serve(t, nil, in(interceptor.Retry(slow)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Fail(ctx); !errors.Is(err, io.ErrUnexpectedEOF) { // and at once
		t.Errorf("got %v", err)
	}
}

func TestBreaker(t *testing.T) {
	var states []string
	s, c := serve(t, nil, in(interceptor.Breaker(gobreaker.Settings{
		Name: "adder", Timeout: time.Nanosecond, ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 3 },
		OnStateChange: func(_ string, _, to gobreaker.State) { states = append(states, to.String()) },
	})))
	for range 5 { // answers, and what was given up here
		c.Fail(t.Context())
		over, cancel := context.WithCancel(t.Context())
		cancel()
		c.Hold(over)
	}
	if len(states) > 0 {
		t.Fatalf("errors of a healthy server opened the breaker: %v", states)
	}
	for range 3 {
		c.Panic(t.Context())
	}
	wait.Until(t, "a call to pass", func() bool { _, err := c.Add(t.Context(), 1); return err == nil })
	if got := strings.Join(states, ","); got != "open,half-open,closed" {
		t.Errorf("states %s", got)
	}
	if s.sum.Load() != 1 {
		t.Errorf("sum %d", s.sum.Load())
	}
}

func TestBreakerOpen(t *testing.T) {
	s, c := serve(t, nil, in(interceptor.Breaker(gobreaker.Settings{})))
	for range 6 {
		c.Panic(t.Context())
	}
	_, err := c.Add(t.Context(), 1)
	if !errors.Is(err, gobreaker.ErrOpenState) || !errors.Is(err, hotline.ErrNotExecuted) || s.sum.Load() != 0 {
		t.Errorf("got %v, sum %d", err, s.sum.Load())
	}
}

// What a breaker counts as a failure, as a success, and not at all.
func TestBreakerCounts(t *testing.T) {
	answered := func(code hotline.Code) error { return &hotline.Error{Code: code, Message: "as asked"} }
	for _, test := range []struct {
		err    error
		counts string
	}{
		{nil, "success"},
		{answered(hotline.CodeApplication), "success"},
		{answered(hotline.CodeNoMethod), "success"},
		{hotline.ErrTooLarge, "success"},
		{answered(hotline.CodeRefused), "failure"},
		{answered(hotline.CodeExhausted), "failure"},
		{answered(hotline.CodeDraining), "failure"},
		{answered(hotline.CodePanic), "failure"},
		{answered(hotline.CodeDeadline), "failure"},
		{fmt.Errorf("%w: %w", hotline.ErrMaybeExecuted, context.DeadlineExceeded), "failure"},
		{fmt.Errorf("%w: %w", hotline.ErrNotExecuted, context.DeadlineExceeded), "failure"},
		{fmt.Errorf("%w: the link is lost", hotline.ErrMaybeExecuted), "failure"},
		{answered(hotline.CodeCanceled), "nothing"},
		{fmt.Errorf("%w: %w", hotline.ErrMaybeExecuted, context.Canceled), "nothing"},
		{fmt.Errorf("%w: arguments: %w", hotline.ErrNotExecuted, &codec.Error{Codec: "json", Op: "encode"}), "nothing"},
	} {
		// Half open, a breaker shows each: a failure opens it again, a success closes it, and what counts for nothing leaves it.
		got := "nothing"
		breaker := interceptor.Breaker(gobreaker.Settings{
			Timeout: time.Nanosecond, ReadyToTrip: func(gobreaker.Counts) bool { return true },
			OnStateChange: func(_ string, from, to gobreaker.State) {
				if from == gobreaker.StateHalfOpen {
					got = map[gobreaker.State]string{gobreaker.StateOpen: "failure", gobreaker.StateClosed: "success"}[to]
				}
			},
		})
		call := func(err error) error {
			return breaker(t.Context(), new(hotline.Call), func(context.Context) error { return err })
		}
		call(answered(hotline.CodePanic)) // opens it
		wait.Until(t, "a call to pass", func() bool { return !errors.Is(call(test.err), gobreaker.ErrOpenState) })
		if got != test.counts {
			t.Errorf("%v counts as %s, want %s", test.err, got, test.counts)
		}
	}
}

// Calls whose time is up open a breaker.
func TestBreakerOfLateCalls(t *testing.T) {
	_, c := serve(t, nil, in(interceptor.Breaker(gobreaker.Settings{})))
	for range 6 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := c.Hold(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want DeadlineExceeded", err)
		}
		cancel()
	}
	if _, err := c.Add(t.Context(), 1); !errors.Is(err, gobreaker.ErrOpenState) {
		t.Errorf("the next call: got %v, want ErrOpenState", err)
	}
}
