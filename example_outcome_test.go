package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"hotline"
)

// turnServer is one of several instances.
type turnServer struct {
	hotline.ServerMethodsBase `port:"5566" name:"turns"`
	server                    *hotline.Server
	taken                     atomic.Int64
	notes                     chan string
}

// Turn returns how many calls this instance has answered.
func (s *turnServer) Turn(context.Context) int64 { return s.taken.Add(1) }

// Note is a call that nobody waits for.
func (s *turnServer) Note(_ context.Context, text string) error { s.notes <- text; return nil }

// Rest waits until its caller's time is up.
func (s *turnServer) Rest(ctx context.Context) (int64, error) {
	deadline, ok := ctx.Deadline() // what is left of the caller's
	if !ok {
		return 0, errors.New("no deadline")
	}
	<-ctx.Done()
	return time.Until(deadline).Milliseconds(), ctx.Err()
}

type turnClient struct {
	hotline.ClientMethodsBase `name:"turns"`
	Turn                      func(ctx context.Context) (int64, error) `idempotent:"true"`
	Rest                      func(ctx context.Context) (int64, error)
	Note                      func(ctx context.Context, text string) error `oneway:"true"`
}

// serveTurns serves an instance in a runtime directory until its server is shut down.
func serveTurns(dir string) *turnServer {
	quiet := zerolog.Nop()
	s := &turnServer{server: &hotline.Server{Dir: dir, Logger: &quiet}}
	if err := s.server.Register(s); err != nil {
		log.Fatal(err)
	}
	go s.server.Serve(context.Background())
	return s
}

// connectTurns connects when an instance is ready.
func connectTurns(dir string) *turnClient {
	c := new(turnClient)
	for (&hotline.Dialer{Dir: dir}).Connect(context.Background(), c) != nil {
	}
	return c
}

// An instance that is shut down finishes its calls and takes no more; a client goes on with another one, without an error.
func Example_instances() {
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	old := serveTurns(dir)
	client := connectTurns(dir)
	defer client.Close()
	for range 3 {
		n, err := client.Turn(ctx)
		fmt.Println(n, err)
	}
	next := serveTurns(dir) // a new version of the program, say
	defer next.server.Shutdown(ctx)
	if err := old.server.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	n, err := client.Turn(ctx) // waits for the new instance, if it has to
	fmt.Println(n, err)
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
	// 1 <nil>
}

// A caller's deadline is the method's, and what the method's end means for the caller is known.
func Example_deadline() {
	dir, stop := serveExample(new(hotline.Server), new(turnServer), "turns")
	defer stop()
	client := connectTurns(dir)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := client.Rest(ctx) // the method's own error, or the caller's, whichever is quicker
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, hotline.ErrNotExecuted))
	<-ctx.Done()
	_, err = client.Rest(ctx) // its time is up before it is sent
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, hotline.ErrNotExecuted))
	// Output:
	// true false
	// true true
}

// A one-way call returns when it is on its way. Nobody learns what the method returned.
func Example_oneway() {
	service := &turnServer{notes: make(chan string, 1)}
	dir, stop := serveExample(new(hotline.Server), service, "turns")
	defer stop()
	client := connectTurns(dir)
	defer client.Close()
	if err := client.Note(context.Background(), "the door is open"); err != nil {
		log.Fatal(err) // it was not sent
	}
	fmt.Println(<-service.notes)
	// Output:
	// the door is open
}

// What is known of a call whose server went away: whether it was executed.
func Example_outcomes() {
	service := &searchServer{begun: make(chan string), ended: make(chan string, 1)}
	server := new(hotline.Server)
	dir, stop := serveExample(server, service, "search")
	defer stop()
	ctx := context.Background()
	var search searchClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(ctx, &search); err != nil {
		log.Fatal(err)
	}
	defer search.Close()
	found := hotline.Start(func() (string, error) { return search.Find(ctx, "a needle") })
	<-service.begun
	server.Close() // in the middle of the call
	_, err := found.Wait()
	fmt.Println("maybe executed:", errors.Is(err, hotline.ErrMaybeExecuted))
	soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = search.Find(soon, "a needle") // there is no server any more
	fmt.Println("not executed:", errors.Is(err, hotline.ErrNotExecuted))
	// Output:
	// maybe executed: true
	// not executed: true
}
