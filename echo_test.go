package hotline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
)

// echoMethods is what the test service and its client share.
type echoMethods struct {
	EchoRaw  func(ctx context.Context, data []byte) ([]byte, error)              `codec:"raw"`
	EchoJSON func(ctx context.Context, v map[string]any) (map[string]any, error) `codec:"json"`
	Sum      func(ctx context.Context, a, b int) (int, error)                    `codec:"msgpack"`
	Divide   func(ctx context.Context, a, b int) (quotient, rest int, err error) `codec:"cbor"`
	Point    func(p point) (point, error)                                        `codec:"gob"`
	Sleep    func(ctx context.Context, d time.Duration) error                    `codec:"msgpack"`
	Panic    func() error                                                        `codec:"json"`
}

type point struct{ X, Y int }

type echoServer struct {
	hotline.ServerMethodsBase `port:"5555" name:"echo_serv" version:"1.2.0"`
	echoMethods
}

func (s *echoServer) EchoRaw(_ context.Context, data []byte) ([]byte, error) { return data, nil }
func (s *echoServer) EchoJSON(_ context.Context, v map[string]any) (map[string]any, error) {
	return v, nil
}
func (s *echoServer) Sum(_ context.Context, a, b int) (int, error) { return a + b, nil }
func (s *echoServer) Divide(_ context.Context, a, b int) (int, int, error) {
	if b == 0 {
		return 0, 0, errors.New("division by zero")
	}
	return a / b, a % b, nil
}
func (s *echoServer) Point(p point) (point, error) { return point{p.Y, p.X}, nil }
func (s *echoServer) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (s *echoServer) Panic() { panic("as asked") }

type echoClient struct {
	hotline.ClientMethodsBase `port:"5555" name:"echo_serv" version:"1"`
	echoMethods
}

// serve serves the services in this process, in a runtime directory of their own, until the test ends.
func serve(t testing.TB, srv *hotline.Server, services ...any) (dir string) {
	t.Helper()
	dir = tempDir(t)
	srv.Dir = dir
	if srv.Logger == nil {
		nop := zerolog.Nop()
		srv.Logger = &nop
	}
	for _, s := range services {
		if err := srv.Register(s); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(context.Background()) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-ended; err != nil && !strings.Contains(err.Error(), "cut off") {
			t.Errorf("Serve: %v", err)
		}
	})
	if !srv.InprocOnly {
		waitReady(t, dir, len(services), ended)
	}
	return dir
}
