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

// Two ends of a connection, here in one process: normally each is in its own.
func Example() {
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "greeter.shm")

	ln, err := shm.Listen(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go func() { // the server: reads one frame and answers it
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		h, err := conn.Next()
		if err != nil {
			log.Fatal(err)
		}
		name := make([]byte, h.Length)
		if _, err := conn.Read(name); err != nil {
			log.Fatal(err)
		}
		greeting := fmt.Appendf(nil, "hello, %s", name)
		reply := &wire.Header{Kind: wire.KindReply, ID: h.ID, Length: uint32(len(greeting)), Total: uint32(len(greeting))}
		if err := conn.Write(link.Stop{}, reply, nil, greeting); err != nil {
			log.Fatal(err)
		}
	}()

	conn, err := shm.Dial(context.Background(), path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	call := &wire.Header{Kind: wire.KindCall, ID: 1, Length: 5, Total: 5}
	if err := conn.Write(link.Stop{}, call, nil, []byte("world")); err != nil {
		log.Fatal(err)
	}
	h, err := conn.Next()
	if err != nil {
		log.Fatal(err)
	}
	greeting := make([]byte, h.Length)
	if _, err := conn.Read(greeting); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %d: %s\n", h.Kind, h.ID, greeting)
	// Output: reply 1: hello, world
}
