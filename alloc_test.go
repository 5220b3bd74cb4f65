//go:build !race

package hotline_test

import (
	"context"
	"testing"
	"time"

	"hotline"
)

// The race detector allocates on its own account, so this is not for it.
func TestRawAllocations(t *testing.T) {
	srv := new(hotline.Server)
	dir := serve(t, srv, new(echoServer))
	for _, address := range []string{"shm://", "unix://"} {
		var c echoClient
		d := &hotline.Dialer{Dir: dir}
		if err := d.Connect(t.Context(), &c, address); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		data, ctx := make([]byte, 16), context.Background()
		allocs := testing.AllocsPerRun(1000, func() {
			if _, err := c.EchoRaw(ctx, data); err != nil {
				t.Fatal(err)
			}
		})
		// Both sides are in this process: the one allocation is the result, which belongs to the caller.
		if allocs > 1 {
			t.Errorf("EchoRaw over %s: %v allocations a call, want 1", address, allocs)
		}
	}
}

// Both sides of a typed call are in this process too, and what it allocates is its arguments at the server and its
// results at the client, where these need memory of their own.
func TestTypedAllocations(t *testing.T) {
	srv := new(hotline.Server)
	dir := serve(t, srv, new(allocServer))
	for _, address := range []string{"shm://", "unix://"} {
		var c allocClient
		d := &hotline.Dialer{Dir: dir}
		if err := d.Connect(t.Context(), &c, address); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx, data := context.Background(), []byte("bytes")
		for _, test := range []struct {
			name string
			most float64
			call func() error
		}{
			{"Sum", 0, func() error { _, err := c.Sum(ctx, 2, 3_000_000); return err }},
			{"SumJSON", 0, func() error { _, err := c.SumJSON(ctx, 2, 3_000_000); return err }},
			{"SumCBOR", 0, func() error { _, err := c.SumCBOR(ctx, 2, 3_000_000); return err }},
			{"Nothing", 0, func() error { return c.Nothing() }},
			{"Flip", 0, func() error { _, err := c.Flip(true); return err }},
			{"Half", 0, func() error { _, err := c.Half(2.5); return err }},
			{"After", 0, func() error { _, err := c.After(ctx, time.Hour); return err }},
			{"Text", 2, func() error { _, err := c.Text(ctx, "a text for both sides"); return err }}, // there and back
			{"Bytes", 2, func() error { _, err := c.Bytes(ctx, data); return err }},
		} {
			allocs := testing.AllocsPerRun(1000, func() {
				if err := test.call(); err != nil {
					t.Fatal(err)
				}
			})
			if allocs > test.most {
				t.Errorf("%s over %s: %v allocations a call, want %v", test.name, address, allocs, test.most)
			}
		}
	}
}

// A direct call allocates nothing of its own, and a context that can end costs one allocation.
func TestDirectAllocations(t *testing.T) {
	srv := new(hotline.Server)
	dir := serve(t, srv, new(allocServer))
	var c allocClient
	d, address := dialerBy(t, "direct", dir, srv)
	if err := d.Connect(t.Context(), &c, address); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for most, ctx := range []context.Context{context.Background(), t.Context()} {
		allocs := testing.AllocsPerRun(1000, func() {
			if _, err := c.Sum(ctx, 2, 3); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Text(context.Background(), "a text for both sides"); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > float64(most) {
			t.Errorf("%v allocations in two calls, want %d", allocs, most)
		}
	}
}

type allocMethods struct {
	Sum     func(ctx context.Context, a, b int) (int, error)
	SumJSON func(ctx context.Context, a, b int) (int, error) `codec:"json"`
	SumCBOR func(ctx context.Context, a, b int) (int, error) `codec:"cbor"`
	Nothing func() error
	Flip    func(yes bool) (bool, error)
	Half    func(f float64) (float64, error)
	After   func(ctx context.Context, d time.Duration) (time.Duration, error)
	Text    func(ctx context.Context, s string) (string, error)
	Bytes   func(ctx context.Context, b []byte) ([]byte, error) `codec:"msgpack"`
}

type allocServer struct {
	hotline.ServerMethodsBase `port:"5557" name:"alloc"`
	allocMethods
}

type allocClient struct {
	hotline.ClientMethodsBase `name:"alloc"`
	allocMethods
}

func (s *allocServer) Sum(_ context.Context, a, b int) (int, error)     { return a + b, nil }
func (s *allocServer) SumJSON(_ context.Context, a, b int) (int, error) { return a + b, nil }
func (s *allocServer) SumCBOR(_ context.Context, a, b int) (int, error) { return a + b, nil }
func (s *allocServer) Nothing()                                         {}
func (s *allocServer) Flip(yes bool) bool                               { return !yes }
func (s *allocServer) Half(f float64) (float64, error)                  { return f / 2, nil }
func (s *allocServer) After(_ context.Context, d time.Duration) time.Duration {
	return d + time.Second
}
func (s *allocServer) Text(_ context.Context, text string) (string, error) { return text, nil }
func (s *allocServer) Bytes(_ context.Context, b []byte) ([]byte, error)   { return b, nil }
