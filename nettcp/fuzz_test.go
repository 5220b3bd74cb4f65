package nettcp_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"hotline/internal/wire"
	"hotline/nettcp"
)

// FuzzStream feeds a connection with any bytes, in pieces of any length. What it makes of them has to be what a plain
// parser makes of them, whatever the room that is read to.
func FuzzStream(f *testing.F) {
	f.Add([]byte(nil), byte(1), uint16(100))
	f.Add(bytesOf(1, nil), byte(1), uint16(1))
	f.Add(append(bytesOf(1, pattern(1, 100)), bytesOf(2, pattern(2, 9000))...), byte(200), uint16(5000))
	f.Add(append(bytesOf(1, pattern(1, 8160)), bytesOf(2, pattern(2, 8161))...), byte(255), uint16(0xffff))
	f.Add(bytesOf(3, pattern(3, 20_000))[:15_000], byte(33), uint16(4096))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), byte(7), uint16(10))
	f.Add(bytes.Repeat([]byte{0xff}, 64), byte(64), uint16(10))
	f.Fuzz(func(t *testing.T, stream []byte, piece byte, room uint16) {
		near, far := net.Pipe()
		c := over(t, near, nil)
		defer c.Close()
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			feed(far, stream, int(piece)+1)
		}()
		err := follow(t, c, stream, int(room)+1)
		if err == nil {
			t.Fatal("a stream that ends gave no error")
		}
		c.Close()
		<-fed
	})
}

// feed writes stream in pieces and closes.
func feed(sock net.Conn, stream []byte, piece int) {
	defer sock.Close()
	for len(stream) > 0 {
		n := min(piece, len(stream))
		if _, err := sock.Write(stream[:n]); err != nil {
			return
		}
		stream = stream[n:]
	}
}

// follow reads frames from c and compares them with the stream that was sent. It returns the error that ended it.
func follow(t *testing.T, c *nettcp.Conn, stream []byte, room int) error {
	for {
		h, err := c.Next()
		if err != nil {
			checkEnd(t, stream, err)
			return err
		}
		want, parseErr := wire.ParseHeader(stream)
		if parseErr != nil || h != want {
			t.Fatalf("header %+v, want %+v, %v", h, want, parseErr)
		}
		stream = stream[wire.HeaderSize:]
		for left := int(h.Length); left > 0; {
			p := make([]byte, room)
			n, err := c.Read(p)
			if err != nil {
				if !errors.Is(err, io.ErrUnexpectedEOF) || len(stream) >= left {
					t.Fatalf("Read with %d of %d bytes sent: %v", len(stream), left, err)
				}
				return err
			}
			if n == 0 || n > left || !bytes.Equal(p[:n], stream[:n]) {
				t.Fatalf("Read: %d bytes of %d left, or other bytes than were sent", n, left)
			}
			stream, left = stream[n:], left-n
		}
	}
}

// checkEnd says whether err is what Next has to return with only these bytes left.
func checkEnd(t *testing.T, stream []byte, err error) {
	var bad *wire.ProtocolError
	switch {
	case len(stream) == 0 && err == io.EOF:
	case len(stream) > 0 && len(stream) < wire.HeaderSize && errors.Is(err, io.ErrUnexpectedEOF):
	case len(stream) >= wire.HeaderSize && errors.As(err, &bad):
		if _, err := wire.ParseHeader(stream); err == nil {
			t.Fatal("a valid header was refused")
		}
	default:
		t.Fatalf("with %d bytes left: %v", len(stream), err)
	}
}
