package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"hotline"
)

// An interceptor on each side: the client's says who calls, the server's lets only some in.
func ExampleInterceptor() {
	allow := func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
		if user := hotline.IncomingMetadata(ctx)["user"]; user != "ada" {
			return fmt.Errorf("%q may not call %s", user, call.Method)
		}
		return next(ctx)
	}
	as := func(user string) hotline.Interceptor {
		return func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
			err := next(hotline.WithMetadata(ctx, "user", user))
			fmt.Println(call.Service, call.Method, "by", user+":", call.Outcome(err))
			return err
		}
	}
	dir, stop := serveExample(&hotline.Server{Interceptors: []hotline.Interceptor{allow}}, new(greeterServer), "greeter")
	defer stop()
	for _, user := range []string{"ada", "mallory"} {
		var greeter struct {
			hotline.ClientMethodsBase `name:"greeter"`
			Greet                     func(ctx context.Context, name string) (string, error)
		}
		d := &hotline.Dialer{Dir: dir, Interceptors: []hotline.Interceptor{as(user)}}
		if err := d.Connect(context.Background(), &greeter); err != nil {
			log.Fatal(err)
		}
		text, err := greeter.Greet(context.Background(), "Bob")
		fmt.Println(text, errors.Is(err, hotline.ErrNotExecuted), err)
		greeter.Close()
	}
	// Output:
	// greeter Greet by ada: ok
	// Hello, Bob false <nil>
	// greeter Greet by mallory: not allowed
	//  true hotline: Greet: "mallory" may not call Greet
}
