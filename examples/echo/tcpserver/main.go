// Command tcpserver is the echo service with options: it is reached over TCP, too.
package main

import (
	"context"
	"flag"
	"log"
	"os/signal"
	"syscall"

	"hotline"
	"hotline/examples/echo"
)

func main() {
	bind := flag.String("bind", "127.0.0.1", "the address to listen on: `host`, for the service's own port, or host:port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	server := &hotline.Server{TCPBind: *bind}
	if err := server.Register(new(echo.Server)); err != nil {
		log.Fatal(err)
	}
	if err := server.Serve(ctx); err != nil {
		log.Fatal(err)
	}
}
