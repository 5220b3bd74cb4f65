// Command client follows, writes and fetches files of the service.
//
//	go run ./examples/stream/client follow|append|fetch NAME
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log"
	"os"
	"os/signal"

	"hotline"
	"hotline/examples/stream"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: client follow|append|fetch NAME")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var logs stream.Client
	if err := hotline.Connect(ctx, &logs); err != nil {
		log.Fatal(err)
	}
	defer logs.Close()
	if err := run(ctx, &logs, os.Args[1], os.Args[2]); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, logs *stream.Client, what, name string) error {
	switch what {
	case "follow":
		return follow(ctx, logs, name)
	case "append":
		n, err := logs.Append(ctx, name, lines(os.Stdin))
		fmt.Println(n, "lines")
		return err
	case "fetch":
		r, err := logs.Fetch(ctx, []byte(name))
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(os.Stdout, r)
		return err
	}
	return fmt.Errorf("%s is not known: write follow, append or fetch", what)
}

// follow prints lines until Ctrl-C.
func follow(ctx context.Context, logs *stream.Client, name string) error {
	for line, err := range logs.Follow(ctx, name) {
		if errors.Is(err, fs.ErrNotExist) { // as if the file were here
			return fmt.Errorf("%w: write to it first: client append %s", err, name)
		}
		if err != nil {
			return err
		}
		fmt.Println(line)
	}
	return nil
}

// lines returns the lines of r, each when it is there.
func lines(r io.Reader) iter.Seq[string] {
	return func(yield func(string) bool) {
		for s := bufio.NewScanner(r); s.Scan(); {
			if !yield(s.Text()) {
				return
			}
		}
	}
}
