package nettcp_test

import (
	"context"
	"fmt"
	"log"

	"hotline/internal/link"
	"hotline/internal/wire"
	"hotline/nettcp"
)

// One frame goes there and back.
func Example() {
	l, err := nettcp.Listen("tcp", "127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		h, err := c.Next()
		if err != nil {
			log.Fatal(err)
		}
		payload := make([]byte, h.Length)
		for n := 0; n < len(payload); {
			m, err := c.Read(payload[n:])
			if err != nil {
				log.Fatal(err)
			}
			n += m
		}
		if err := c.Write(link.Stop{}, &h, nil, payload); err != nil {
			log.Fatal(err)
		}
	}()

	c, err := nettcp.Dial(context.Background(), "tcp", l.Addr()[len("tcp://"):], nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	payload := []byte("hello")
	h := wire.Header{Kind: wire.KindCall, ID: 1, Length: uint32(len(payload)), Total: uint32(len(payload))}
	if err := c.Write(link.Stop{}, &h, nil, payload); err != nil {
		log.Fatal(err)
	}
	answer, err := c.Next()
	if err != nil {
		log.Fatal(err)
	}
	n, err := c.Read(payload)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("frame %d: %s\n", answer.ID, payload[:n])
	// Output: frame 1: hello
}
