package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"hotline"
	"hotline/interceptor"
)

type oven struct {
	hotline.ServerMethodsBase `port:"oven" name:"oven"`
	bakes                     int
	hot                       chan struct{}
}

// Bake panics the first two times.
func (o *oven) Bake(_ context.Context, what string) string {
	if o.bakes++; o.bakes <= 2 {
		panic("too hot")
	}
	return what + " is done"
}

// Heat says that it runs, and waits until its caller has enough.
func (o *oven) Heat(ctx context.Context) error {
	o.hot <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

type ovenClient struct {
	hotline.ClientMethodsBase `name:"oven"`
	Bake                      func(ctx context.Context, what string) (string, error)
	Heat                      func(ctx context.Context) error
}

// light serves an oven in this process, by the interceptors of each side, until stop is called.
func light(server, client hotline.Interceptor) (c *ovenClient, o *oven, stop func()) {
	o, c = &oven{hot: make(chan struct{})}, new(ovenClient)
	quiet := zerolog.Nop()
	srv := &hotline.Server{InprocOnly: true, Logger: &quiet}
	d := &hotline.Dialer{Server: srv}
	if server != nil {
		srv.Interceptors = []hotline.Interceptor{server}
	}
	if client != nil {
		d.Interceptors = []hotline.Interceptor{client}
	}
	if err := srv.Register(o); err != nil {
		log.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(context.Background()) }()
	if err := d.Connect(context.Background(), c, "inproc://"); err != nil {
		log.Fatal(err)
	}
	return c, o, func() {
		c.Close()
		srv.Close()
		<-ended
	}
}

// A line for each call; two of its fields are shown.
func ExampleLog() {
	lines := zerolog.New(zerolog.ConsoleWriter{Out: os.Stdout, NoColor: true, PartsOrder: []string{"level", "message"},
		FieldsExclude: []string{"side", "service", "kind", "peer", "ms", "request_bytes", "reply_bytes", "error"}})
	c, _, stop := light(nil, interceptor.Log(&lines))
	defer stop()
	for range 3 {
		_, _ = c.Bake(context.Background(), "bread") // the lines tell
	}
	// Output:
	// ERR call method=Bake outcome=panic
	// ERR call method=Bake outcome=panic
	// DBG call method=Bake outcome=ok
}

// A server that runs one call at a time, and refuses others at once.
func ExampleLimit() {
	c, o, stop := light(interceptor.Limit(1, 0), nil)
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	heating := hotline.Start(func() (struct{}, error) { return struct{}{}, c.Heat(ctx) })
	<-o.hot
	_, err := c.Bake(context.Background(), "bread")
	fmt.Println(err)
	fmt.Println("may be made again:", errors.Is(err, hotline.ErrNotExecuted))
	cancel()
	_, err = heating.Wait()
	fmt.Println(errors.Is(err, context.Canceled))
	// Output:
	// hotline: Bake: 1 calls run already, which is the limit
	// may be made again: true
	// true
}

// A client that makes two calls at once, and then one an hour.
func ExampleRate() {
	c, _, stop := light(nil, interceptor.Rate(rate.NewLimiter(rate.Every(time.Hour), 2), 0))
	defer stop()
	for range 3 {
		_, err := c.Bake(context.Background(), "bread")
		fmt.Println(errors.Is(err, hotline.ErrNotExecuted))
	}
	// Output:
	// false
	// false
	// true
}

// Calls that a panic ended are made again here, which the default would not do.
func ExampleRetry() {
	c, _, stop := light(nil, interceptor.Retry(&interceptor.RetryOptions{
		Attempts: 3,
		First:    time.Millisecond,
		If: func(call *hotline.Call, err error) bool {
			remote, ok := errors.AsType[*hotline.Error](err)
			fmt.Println(call.Method, "failed:", call.Outcome(err))
			return ok && remote.Code == hotline.CodePanic
		},
	}))
	defer stop()
	fmt.Println(c.Bake(context.Background(), "bread"))
	// Output:
	// Bake failed: panic
	// Bake failed: panic
	// bread is done <nil>
}

// After two panics in a row the server is left alone.
func ExampleBreaker() {
	c, _, stop := light(nil, interceptor.Breaker(gobreaker.Settings{
		Name:        "oven",
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= 2 },
	}))
	defer stop()
	for range 3 {
		_, err := c.Bake(context.Background(), "bread")
		fmt.Println(errors.Is(err, hotline.ErrNotExecuted), errors.Is(err, gobreaker.ErrOpenState))
	}
	// Output:
	// false false
	// false false
	// true true
}
