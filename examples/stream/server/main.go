// Command server is the service of log files, until Ctrl-C.
package main

import (
	"context"
	"flag"
	"log"

	"hotline"
	"hotline/examples/stream"
)

func main() {
	log.SetFlags(0)
	dir := flag.String("dir", "logs", "the `directory` of the files")
	flag.Parse()
	server, err := stream.NewServer(*dir)
	if err != nil {
		log.Fatal(err)
	}
	if err := hotline.Serve(context.Background(), server); err != nil {
		log.Fatal(err)
	}
}
