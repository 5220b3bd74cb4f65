package hotline_test

import (
	"context"
	"fmt"
	"log"

	"hotline"
)

type greeterServer struct {
	hotline.ServerMethodsBase `port:"5562" name:"greeter"`
}

func (s *greeterServer) Greet(ctx context.Context, name string) (string, error) {
	word := "Hello"
	if hotline.IncomingMetadata(ctx)["language"] == "de" {
		word = "Hallo"
	}
	err := hotline.SetReplyMetadata(ctx, "served-by", "greeter 7")
	return word + ", " + name, err
}

// Metadata travels beside arguments and results, through the contexts of both sides.
func ExampleWithMetadata() {
	dir, stop := serveExample(new(hotline.Server), new(greeterServer), "greeter")
	defer stop()
	var greeter struct {
		hotline.ClientMethodsBase `name:"greeter"`
		Greet                     func(ctx context.Context, name string) (string, error)
	}
	ctx := context.Background()
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(ctx, &greeter); err != nil {
		log.Fatal(err)
	}
	defer greeter.Close()

	var reply hotline.Metadata
	ctx = hotline.WithMetadata(ctx, "language", "de")
	ctx = hotline.WithReplyMetadata(ctx, &reply)
	text, err := greeter.Greet(ctx, "Ada")
	fmt.Println(text, err, reply["served-by"])
	// Output:
	// Hallo, Ada <nil> greeter 7
}
