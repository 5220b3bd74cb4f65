package shm_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"hotline/shm"
)

// HTTP through shared memory: the packages of the standard library take a stream for what it is, a connection.
func ExampleListenStream() {
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "greeter.shm")

	ln, err := shm.ListenStream(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s", r.URL.Query().Get("name"))
	})}
	go server.Serve(ln) // normally in another process
	defer server.Close()

	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return shm.DialStream(ctx, path, nil)
		},
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://greeter/?name=world")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	greeting, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", resp.Status, greeting)
	// Output: 200 OK: hello, world
}
