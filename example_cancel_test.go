package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"hotline"
)

// A search has steps, and looks at its context between them.
type searchServer struct {
	hotline.ServerMethodsBase `port:"5575" name:"search"`
	begun, ended              chan string
}

func (s *searchServer) Find(ctx context.Context, what string) (string, error) {
	s.begun <- what
	<-ctx.Done() // the first step takes long
	s.ended <- fmt.Sprintf("the search for %s ends: %v", what, ctx.Err())
	return "", ctx.Err()
}

type searchClient struct {
	hotline.ClientMethodsBase `name:"search"`
	Find                      func(ctx context.Context, what string) (string, error)
}

// A caller that gives up has its error at once, and the context of the method ends, wherever that runs.
func Example_cancel() {
	service := &searchServer{begun: make(chan string), ended: make(chan string, 1)}
	dir, stop := serveExample(new(hotline.Server), service, "search")
	defer stop()
	var search searchClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(context.Background(), &search); err != nil {
		log.Fatal(err)
	}
	defer search.Close()

	ctx, cancel := context.WithCancel(context.Background())
	found := hotline.Start(func() (string, error) { return search.Find(ctx, "a needle") })
	<-service.begun
	cancel()
	_, err := found.Wait()
	fmt.Println(errors.Is(err, context.Canceled), errors.Is(err, hotline.ErrNotExecuted))
	fmt.Println(<-service.ended)
	// Output:
	// true false
	// the search for a needle ends: context canceled
}
