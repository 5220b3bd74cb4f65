package hotline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"hotline"
	"hotline/internal/wait"
)

type noteMethods struct {
	Note  func(ctx context.Context, n int) error    `oneway:"true"`
	Bytes func(ctx context.Context, b []byte) error `codec:"raw" oneway:"true"`
	Fail  func() error                              `oneway:"true"`
	Total func(ctx context.Context) (int64, error)
}

type noteServer struct {
	hotline.ServerMethodsBase `port:"5602" name:"notes"`
	noteMethods
	total atomic.Int64
}

func (s *noteServer) Note(_ context.Context, n int) error     { s.total.Add(int64(n)); return nil }
func (s *noteServer) Bytes(_ context.Context, b []byte) error { s.total.Add(int64(len(b))); return nil }
func (s *noteServer) Fail() error                             { s.total.Add(1); return errors.New("as asked") }
func (s *noteServer) Total() int64                            { return s.total.Load() }

func TestOneway(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			srv := &hotline.Server{TCPBind: "127.0.0.1:0"}
			dir := serve(t, srv, new(noteServer))
			var c struct {
				hotline.ClientMethodsBase `name:"notes"`
				noteMethods
			}
			d, address := dialerBy(t, way, dir, srv)
			if err := d.Connect(t.Context(), &c, address); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			want := int64(0)
			for i := range 3000 { // more than may be in flight
				if err := c.Note(t.Context(), i); err != nil {
					t.Fatalf("Note: %v", err)
				}
				want += int64(i)
			}
			for _, n := range []int{0, 1, 100_000} {
				if err := c.Bytes(t.Context(), make([]byte, n)); err != nil {
					t.Fatalf("Bytes: %v", err)
				}
				want += int64(n)
			}
			if err := c.Fail(); err != nil {
				t.Errorf("Fail: got %v: nobody is told", err)
			}
			want++
			wait.Until(t, "all calls to be executed", func() bool {
				total, err := c.Total(t.Context())
				if err != nil || total > want {
					t.Fatalf("Total: got %d, %v, want %d in the end", total, err, want)
				}
				return total == want
			})
		})
	}
}
