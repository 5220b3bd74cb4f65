package hotline_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"hotline"
	"hotline/internal/wait"
)

// Close may be called while another goroutine reads. That one gets ErrClosed, and other calls are not disturbed.
func TestCloseWhileReading(t *testing.T) {
	dir := serve(t, new(hotline.Server), new(streamServer))
	for _, interceptors := range [][]hotline.Interceptor{nil, handOn} {
		var c streamClient
		d := &hotline.Dialer{Dir: dir, Interceptors: interceptors}
		if err := d.Connect(t.Context(), &c, "unix://"); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 100 {
			closeWhileReading(t, &c)
		}
		wait.Until(t, "all calls to be over", func() bool { return hotline.InFlight(c.Client()) == 0 })
	}
}

func closeWhileReading(t *testing.T, c *streamClient) {
	t.Helper()
	source, more := io.Pipe()
	var sending sync.WaitGroup
	sending.Go(func() { more.Write([]byte("a")) }) // and no more
	r, err := c.Upper(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := r.Read(make([]byte, 1))
		read <- err
	}()
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			if word, n, err := c.Longest(t.Context(), labels("one", "three")); word != "three" || n != 2 || err != nil {
				t.Errorf("another call got %q, %d, %v", word, n, err)
			}
		})
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := wait.Receive(t, "who reads", read); !errors.Is(err, hotline.ErrClosed) {
		t.Errorf("who read got %v", err)
	}
	others.Wait()
	more.Close()
	sending.Wait()
}

func labels(words ...label) func(func(label, error) bool) {
	return func(yield func(label, error) bool) {
		for _, w := range words {
			if !yield(w, nil) {
				return
			}
		}
	}
}

// A download of nothing ends its call, for interceptors too.
func TestEmptyDownload(t *testing.T) {
	var begun, ended atomic.Int64
	count := func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
		begun.Add(1)
		defer ended.Add(1)
		return next(ctx)
	}
	dir := serve(t, new(hotline.Server), new(streamServer))
	var c streamClient
	d := &hotline.Dialer{Dir: dir, Interceptors: []hotline.Interceptor{count}}
	if err := d.Connect(t.Context(), &c, "unix://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 20 {
		r, err := c.Get(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); len(b) != 0 || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	wait.Until(t, "the interceptors", func() bool { return begun.Load() == 20 && ended.Load() == 20 })
}

// A producer that ends its goroutine fails its stream, and does not leave the method waiting.
func TestProducerThatExits(t *testing.T) {
	dir := serve(t, new(hotline.Server), new(streamServer))
	var c streamClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c, "unix://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wait.Return(t, "the call", func() {
		_, err := collect(c.Swap(t.Context(), func(yield func(point) bool) {
			yield(point{1, 2})
			runtime.Goexit()
		}))
		if err == nil || !strings.Contains(err.Error(), "Goexit") {
			t.Errorf("got %v", err)
		}
	})
}
