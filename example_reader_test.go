package hotline_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"hotline"
)

// archiveServer keeps nothing: it counts what it is given, and makes up what it gives. Its methods are raw: bytes, and readers.
type archiveServer struct {
	hotline.ServerMethodsBase `port:"5574" name:"archive"`
}

// Store takes a reader as its last argument: bytes that the client sends while it runs.
func (s *archiveServer) Store(_ context.Context, name []byte, data io.Reader) ([]byte, error) {
	n, err := io.Copy(io.Discard, data)
	return fmt.Appendf(nil, "%s: %d bytes", name, n), err
}

// Fetch returns a reader: it is read, sent and closed after the method has returned.
func (s *archiveServer) Fetch(_ context.Context, line []byte) (io.ReadCloser, error) {
	if len(line) == 0 {
		return nil, errors.New("no line")
	}
	return io.NopCloser(strings.NewReader(strings.Repeat(string(line), 1_000_000))), nil
}

type archiveClient struct {
	hotline.ClientMethodsBase `name:"archive"`
	Store                     func(ctx context.Context, name []byte, data io.Reader) ([]byte, error)
	Fetch                     func(ctx context.Context, line []byte) (io.ReadCloser, error)
}

// Streams of bytes are readers. None of them is ever held in memory as a whole.
func Example_readers() {
	dir, stop := serveExample(new(hotline.Server), new(archiveServer), "archive")
	defer stop()
	ctx := context.Background()
	var archive archiveClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(ctx, &archive); err != nil {
		log.Fatal(err)
	}
	defer archive.Close()

	stored, err := archive.Store(ctx, []byte("zeros"), io.LimitReader(zeros{}, 20_000_000))
	fmt.Printf("%s %v\n", stored, err)
	file, err := archive.Fetch(ctx, []byte("a line\n"))
	if err != nil {
		log.Fatal(err)
	}
	line, err := bufio.NewReader(file).ReadString('\n')
	fmt.Printf("%q %v\n", line, err)
	fmt.Println(file.Close()) // the rest is not sent
	_, err = archive.Fetch(ctx, nil)
	fmt.Println(err)
	// Output:
	// zeros: 20000000 bytes <nil>
	// "a line\n" <nil>
	// <nil>
	// no line
}
