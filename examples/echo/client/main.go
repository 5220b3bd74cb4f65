// Command client calls every method of the echo service and prints what came back.
//
//	go run ./examples/echo/client                             by the fastest way on this machine
//	go run ./examples/echo/client -address unix://            over a unix socket
//	go run ./examples/echo/client -address tcp://127.0.0.1    over TCP; see ../tcpserver
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"time"

	"hotline"
	"hotline/examples/echo"
)

func main() {
	log.SetFlags(0)
	address := flag.String("address", "auto://", "where the service is: auto://, shm://, unix:// or tcp://host[:port]")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	var client echo.Client
	if err := hotline.Connect(ctx, &client, *address); err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	service := client.Client().Service()
	fmt.Println(service.Name, service.Version, "at", service.Address)

	data, err := client.EchoRaw(ctx, []byte("hello"))
	show("EchoRaw", err, string(data))
	value, err := client.EchoJSON(ctx, map[string]any{"colour": "green", "sizes": []int{1, 2, 3}})
	show("EchoJSON", err, value)
	sum, err := client.Sum(ctx, 2, 3)
	show("Sum", err, sum)
	quotient, rest, err := client.Divide(ctx, 17, 5)
	show("Divide", err, quotient, rest)
	_, _, err = client.Divide(ctx, 17, 0)
	show("Divide", err)
	words, err := client.Reverse(ctx, []string{"one", "two", "three"})
	show("Reverse", err, words) // over TCP: an error, for gob is refused there
}

// show prints what a method returned: its results, or else its error.
func show(method string, err error, results ...any) {
	if err != nil {
		results = []any{"error:", err}
	}
	fmt.Printf("%-9s %s", method, fmt.Sprintln(results...))
}
