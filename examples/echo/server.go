package echo

import (
	"context"
	"fmt"
	"slices"

	"hotline"
)

// Server is the service. The tag says how it is reached; embedding [Methods] gives the methods below their codecs.
type Server struct {
	hotline.ServerMethodsBase `port:"5555" name:"echo_serv" version:"1.0.0"`
	Methods
}

// EchoRaw returns the bytes that it is given. They travel as they are.
func (s *Server) EchoRaw(ctx context.Context, data []byte) ([]byte, error) { return data, nil }

// EchoJSON returns the value that it is given, whatever that is.
func (s *Server) EchoJSON(ctx context.Context, value any) (any, error) { return value, nil }

// Sum adds two numbers.
func (s *Server) Sum(ctx context.Context, a, b int) (int, error) { return a + b, nil }

// Divide divides one number by another and returns the rest, too. The error of
// a division by zero is what the caller gets.
func (s *Server) Divide(ctx context.Context, a, b int) (quotient, rest int, err error) {
	if b == 0 {
		return 0, 0, fmt.Errorf("divide %d by 0: choose another divisor", a)
	}
	return a / b, a % b, nil
}

// Reverse returns words in the opposite order. Its codec, gob, is for peers that
// trust each other: over TCP it is refused unless the server allows it.
func (s *Server) Reverse(ctx context.Context, words []string) ([]string, error) {
	slices.Reverse(words)
	return words, nil
}
