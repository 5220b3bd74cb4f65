package hotline_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"hotline"
)

func TestCallsOverEveryTransport(t *testing.T) {
	srv := &hotline.Server{TCPBind: "127.0.0.1:0", TCPAllowInsecureSerialisation: true}
	dir := serve(t, srv, new(echoServer))
	for _, way := range append(ways, "auto") {
		t.Run(way, func(t *testing.T) {
			var c echoClient
			d, address := dialerBy(t, way, dir, srv)
			if err := d.Connect(t.Context(), &c, address); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			checkCalls(t, &c)
		})
	}
}

func TestCallsThroughInterceptors(t *testing.T) {
	srv := &hotline.Server{Interceptors: handOn, TCPBind: "127.0.0.1:0", TCPAllowInsecureSerialisation: true}
	dir := serve(t, srv, new(echoServer))
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			var c echoClient
			d, address := dialerBy(t, way, dir, srv)
			d.Interceptors = handOn
			if err := d.Connect(t.Context(), &c, address); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			checkCalls(t, &c)
		})
	}
}

// checkCalls makes every call of the echo service once.
func checkCalls(t *testing.T, c *echoClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, n := range []int{0, 1, 16, 64 << 10, 1 << 20} {
		data := bytes.Repeat([]byte("x"), n)
		if got, err := c.EchoRaw(ctx, data); err != nil || !bytes.Equal(got, data) {
			t.Errorf("EchoRaw(%d bytes): got %d bytes, %v", n, len(got), err)
		}
	}
	if got, err := c.EchoJSON(ctx, map[string]any{"a": 1.5}); err != nil || got["a"] != 1.5 {
		t.Errorf("EchoJSON: got %v, %v", got, err)
	}
	if got, err := c.Sum(ctx, 2, 3); err != nil || got != 5 {
		t.Errorf("Sum(2, 3): got %d, %v", got, err)
	}
	if q, r, err := c.Divide(ctx, 17, 5); err != nil || q != 3 || r != 2 {
		t.Errorf("Divide(17, 5): got %d, %d, %v", q, r, err)
	}
	if _, _, err := c.Divide(ctx, 17, 0); err == nil || err.Error() != "division by zero" {
		t.Errorf("Divide(17, 0): got %v, want the method's error", err)
	}
	if got, err := c.Point(point{1, 2}); err != nil || got != (point{2, 1}) {
		t.Errorf("Point: got %v, %v", got, err)
	}
	var remote *hotline.Error
	if err := c.Panic(); !errors.As(err, &remote) || remote.Code != hotline.CodePanic {
		t.Errorf("Panic: got %v, want an Error of CodePanic", err)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := c.Sleep(short, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Sleep past the deadline: got %v", err)
	}
}
