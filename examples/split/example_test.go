package split_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/examples/split"
)

// Both services in this process. With other addresses the same code calls them where they are.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(context.Background())
	quiet := zerolog.Nop()
	parts, err := split.Open(ctx, &hotline.Server{Dir: dir, Logger: &quiet}, split.Inproc, split.Inproc)
	if err != nil {
		log.Fatal(err)
	}
	index, err := parts.Index.Client(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"A cat.", "Two cats, and dogs!"} {
		fmt.Println(index.Add(ctx, text))
	}
	fmt.Println(index.Find(ctx, "cats"))
	stop()
	fmt.Println(parts.Wait())
	// Output:
	// 1 <nil>
	// 2 <nil>
	// [1 2] <nil>
	// <nil>
}
