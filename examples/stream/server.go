package stream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"hotline"
)

// Server is the service of the files in one directory.
type Server struct {
	hotline.ServerMethodsBase `port:"5570" name:"logs" version:"1.0.0"`
	Methods
	dir *os.Root // no name leads out of it
}

// NewServer returns the service of the files in dir, which is made where it is missing.
func NewServer(dir string) (*Server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Server{dir: root}, nil
}

// growth is how often a file is looked at for more.
const growth = 50 * time.Millisecond

// Follow streams the lines of a file, and new ones as they come. ctx ends when the caller leaves its loop.
func (s *Server) Follow(ctx context.Context, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		file, err := s.dir.Open(name)
		if err != nil {
			yield("", err)
			return
		}
		defer file.Close()
		lines, begun := bufio.NewReader(file), ""
		for {
			line, err := lines.ReadString('\n')
			begun += line
			switch {
			case err == nil:
				if !yield(begun[:len(begun)-1], nil) {
					return
				}
				begun = ""
			case !errors.Is(err, io.EOF):
				yield("", err)
				return
			case !wait(ctx):
				return
			}
		}
	}
}

// wait waits for a file to grow, and reports whether that is still wanted.
func wait(ctx context.Context) bool {
	select {
	case <-time.After(growth):
		return true
	case <-ctx.Done():
		return false
	}
}

// Append writes the lines that the caller streams to a file, each as it comes.
func (s *Server) Append(ctx context.Context, name string, lines iter.Seq[string]) (n int, err error) {
	file, err := s.dir.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for line := range lines {
		if _, err := fmt.Fprintln(file, line); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Fetch streams a file. It is closed when it was sent, or is no longer wanted.
func (s *Server) Fetch(ctx context.Context, name []byte) (io.ReadCloser, error) {
	return s.dir.Open(string(name))
}

// Stop is called when the last call has ended.
func (s *Server) Stop(context.Context) error { return s.dir.Close() }
