package hotline_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline"
)

func TestUntypedCall(t *testing.T) {
	dir := serve(t, new(hotline.Server), new(echoServer))
	c := dial(t, dir, "echo_serv")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	var sum int
	if err := c.Call(ctx, "Sum", &sum, 2, 3); err != nil || sum != 5 {
		t.Errorf("Sum(2, 3): got %d, %v", sum, err)
	}
	var q, r int
	if err := c.Call(ctx, "Divide", []any{&q, &r}, 17, 5); err != nil || q != 3 || r != 2 {
		t.Errorf("Divide(17, 5): got %d, %d, %v", q, r, err)
	}
	var raw []byte
	if err := c.Call(ctx, "EchoRaw", &raw, []byte("abc")); err != nil || string(raw) != "abc" {
		t.Errorf("EchoRaw: got %q, %v", raw, err)
	}
	if err := c.Call(ctx, "Sum", nil, 2, 3); err != nil {
		t.Errorf("Sum with its result dropped: %v", err)
	}
	if err := c.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
	f := c.Go(ctx, "Sum", &sum, 20, 3)
	<-f.Done()
	if err := f.Wait(); err != nil || sum != 23 {
		t.Errorf("Go(Sum, 20, 3): got %d, %v", sum, err)
	}

	var text string
	for _, bad := range []struct {
		method string
		out    any
		args   []any
		want   string
	}{
		{"Product", &sum, []any{2, 3}, "no method Product"},
		{"Sum", &sum, []any{2}, "arguments do not fit Sum(context.Context, int, int)"},
		{"Sum", &sum, []any{2, "three"}, "argument 2"},
		{"Sum", &text, []any{2, 3}, "results do not fit"},
		{"Sum", sum, []any{2, 3}, "pass a non-nil pointer"},
		{"EchoRaw", &raw, []any{"text"}, "arguments do not fit"},
	} {
		err := c.Call(ctx, bad.method, bad.out, bad.args...)
		if err == nil || !strings.Contains(err.Error(), bad.want) || !errors.Is(err, hotline.ErrNotExecuted) {
			t.Errorf("Call(%s, %v): got %v, want ErrNotExecuted and %q", bad.method, bad.args, err, bad.want)
		}
	}
}

func TestServiceInfo(t *testing.T) {
	srv := &hotline.Server{Docs: map[string]string{"echoServer.Sum": "Sum adds."}}
	dir := serve(t, srv, new(echoServer))
	for _, key := range []string{"echo_serv", "5555", "echo_serv@1"} {
		info := dial(t, dir, key).Service()
		if info.Name != "echo_serv" || info.Port != "5555" || info.Version != "1.2.0" || info.Instance == "" || len(info.Methods) != 7 {
			t.Errorf("Dial(%q): got %+v", key, info)
		}
		for _, m := range info.Methods {
			if m.Name == "Sum" && (m.Codec != "msgpack" || m.Signature != "Sum(context.Context, int, int) (int, error)" ||
				m.Arguments != "(int,int)" || m.Results != "(int)" || m.Doc != "Sum adds.") {
				t.Errorf("Sum: got %+v", m)
			}
		}
	}
}

func TestUnknownServiceListsWhatIsThere(t *testing.T) {
	dir := serve(t, new(hotline.Server), new(echoServer))
	d := &hotline.Dialer{Dir: dir}
	_, err := d.Dial(t.Context(), "ecko")
	var missing *hotline.NotFoundError
	if !errors.As(err, &missing) || missing.Target != "ecko" || len(missing.Known) != 1 || !strings.Contains(err.Error(), "echo_serv (port 5555)") {
		t.Errorf("Dial(ecko): got %v", err)
	}
}

func TestGobNeedsTrustOverTCP(t *testing.T) {
	dir := serve(t, &hotline.Server{TCPBind: "127.0.0.1:0"}, new(echoServer))
	var c echoClient
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(t.Context(), &c, addressOf(t, dir, "tcp")); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err := c.Point(point{1, 2})
	var remote *hotline.Error
	if !errors.As(err, &remote) || remote.Code != hotline.CodeNotAllowed || !errors.Is(err, hotline.ErrNotExecuted) ||
		!strings.Contains(err.Error(), "tcp_allow_insecure_serialisation") {
		t.Errorf("gob over TCP: got %v, want CodeNotAllowed and the option's name", err)
	}
	if got, err := c.Sum(t.Context(), 2, 3); err != nil || got != 5 {
		t.Errorf("Sum after it: got %d, %v", got, err)
	}
}

func TestMessageLimits(t *testing.T) {
	dir := serve(t, &hotline.Server{MaxMessage: 1 << 10}, new(echoServer))
	var c echoClient
	d := &hotline.Dialer{Dir: dir, MaxMessage: 1 << 9}
	if err := d.Connect(t.Context(), &c, "unix://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.EchoRaw(t.Context(), make([]byte, 1<<10+1)); !errors.Is(err, hotline.ErrTooLarge) || !errors.Is(err, hotline.ErrNotExecuted) {
		t.Errorf("arguments over the server's limit: got %v, want ErrTooLarge, ErrNotExecuted", err)
	}
	_, err := c.EchoRaw(t.Context(), make([]byte, 1<<9+1))
	var remote *hotline.Error
	if !errors.Is(err, hotline.ErrTooLarge) || !errors.As(err, &remote) || remote.Code != hotline.CodeResultTooLarge {
		t.Errorf("results over the client's limit: got %v, want ErrTooLarge by CodeResultTooLarge", err)
	}
	if got, err := c.EchoRaw(t.Context(), make([]byte, 1<<9)); err != nil || len(got) != 1<<9 {
		t.Errorf("a message at the limit: got %d bytes, %v", len(got), err)
	}
}

// A client outlives its server: the next call makes a new link.
func TestReconnect(t *testing.T) {
	first := new(hotline.Server)
	dir := serve(t, first, new(echoServer))
	var c echoClient
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Sum(short, 2, 3)
	var missing *hotline.NotFoundError
	if !errors.Is(err, hotline.ErrNotExecuted) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &missing) {
		t.Errorf("Sum without a server: got %v, want ErrNotExecuted, DeadlineExceeded and NotFoundError", err)
	}
	second := &hotline.Server{Dir: dir, Logger: first.Logger}
	if err := second.Register(new(echoServer)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- second.Serve(context.Background()) }()
	waitReady(t, dir, 1, ended)
	if got, err := c.Sum(t.Context(), 2, 3); err != nil || got != 5 {
		t.Errorf("Sum with a new server: got %d, %v", got, err)
	}
	if err := second.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestClose(t *testing.T) {
	dir := serve(t, new(hotline.Server), new(echoServer))
	var c echoClient
	if err := c.Call(t.Context(), "Sum", nil); !errors.Is(err, hotline.ErrNotConnected) {
		t.Errorf("Call before Connect: got %v, want ErrNotConnected", err)
	}
	if err := c.Go(t.Context(), "Sum", nil).Wait(); !errors.Is(err, hotline.ErrNotConnected) {
		t.Errorf("Go before Connect: got %v, want ErrNotConnected", err)
	}
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	if err := d.Connect(t.Context(), &c); err == nil || !strings.Contains(err.Error(), "connected already") {
		t.Errorf("second Connect: got %v", err)
	}
	asleep := make(chan error)
	go func() { asleep <- c.Sleep(context.Background(), time.Hour) }()
	c.Close() // whether Sleep is under way by now or only begins, it has to end
	if err := <-asleep; !errors.Is(err, hotline.ErrClosed) {
		t.Errorf("a call under way at Close: got %v, want ErrClosed", err)
	}
	if _, err := c.Sum(t.Context(), 2, 3); !errors.Is(err, hotline.ErrClosed) || !errors.Is(err, hotline.ErrNotExecuted) {
		t.Errorf("Sum after Close: got %v, want ErrClosed, ErrNotExecuted", err)
	}
	if err := d.Connect(t.Context(), &c); err != nil {
		t.Errorf("Connect after Close: %v", err)
	}
	c.Close()
}

func TestManyCallersAtOnce(t *testing.T) {
	dir := serve(t, new(hotline.Server), new(echoServer))
	for _, address := range []string{"shm://", "unix://"} {
		var c echoClient
		d := &hotline.Dialer{Dir: dir}
		if err := d.Connect(t.Context(), &c, address); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				for j := range 50 {
					if got, err := c.Sum(t.Context(), i, j); err != nil || got != i+j {
						t.Errorf("%s: Sum(%d, %d): got %d, %v", address, i, j, got, err)
					}
				}
			})
		}
		wg.Wait()
		c.Close()
	}
}
