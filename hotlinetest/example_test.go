package hotlinetest_test

import (
	"context"
	"fmt"

	"hotline"
	"hotline/hotlinetest"
)

// Methods are what the greeter and its clients share.
type Methods struct {
	Greet func(ctx context.Context, name string) (string, error)
}

type Greeter struct {
	hotline.ServerMethodsBase `port:"greeter" name:"greeter" version:"1.0.0"`
	Methods
}

func (*Greeter) Greet(_ context.Context, name string) (string, error) {
	return "hello, " + name, nil
}

type Client struct {
	hotline.ClientMethodsBase `name:"greeter"`
	Methods
}

func ExampleConnect() {
	t := newTest() // of a test the *testing.T
	defer t.end()

	var greeter Client
	hotlinetest.Connect(t, &greeter, new(Greeter))
	fmt.Println(greeter.Greet(t.Context(), "gopher"))
	// Output: hello, gopher <nil>
}

func ExamplePair() {
	t := newTest() // of a test the *testing.T
	defer t.end()

	pair := &hotlinetest.Pair{
		Server: &hotline.Server{MaxInFlight: 10},
		Dialer: &hotline.Dialer{Direct: true}, // without codecs
	}
	pair.Serve(t, new(Greeter))
	var one, two Client
	pair.Connect(t, &one)
	pair.Connect(t, &two)
	fmt.Println(one.Greet(t.Context(), "gopher"))
	fmt.Println(two.Greet(t.Context(), "gophers"))
	// Output:
	// hello, gopher <nil>
	// hello, gophers <nil>
}
