package shm_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"hotline/internal/link"
	"hotline/internal/wire"
	"hotline/shm"
)

// One frame goes from one end to the other. Programs make calls instead, by package hotline.
func Example() {
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "rendezvous")

	ln, err := shm.Listen(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	client, err := shm.Dial(context.Background(), path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	server, err := ln.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	payload := []byte("hello")
	h := wire.Header{Kind: wire.KindCall, ID: 1, Length: uint32(len(payload)), Total: uint32(len(payload))}
	if err := client.Write(link.Stop{}, &h, nil, payload); err != nil {
		log.Fatal(err)
	}
	got, err := server.Next()
	if err != nil {
		log.Fatal(err)
	}
	p := make([]byte, got.Length)
	n, err := server.Read(p)
	fmt.Println(got.Kind, got.ID, string(p[:n]), err)
	// Output:
	// call 1 hello <nil>
}
