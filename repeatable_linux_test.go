package hotline_test

import (
	"context"
	"errors"
	"testing"

	"hotline"
	"hotline/internal/wait"
)

// holdServer takes its time, and has its arguments in its hands meanwhile.
type holdServer struct {
	hotline.ServerMethodsBase `port:"5561" name:"hold"`
	entered                   chan struct{}
}

func (s *holdServer) Hold(ctx context.Context, _ *hotline.Buffer) error {
	s.entered <- struct{}{}
	<-ctx.Done()
	return nil
}

// What a method may have changed is not sent again, though it is idempotent: a Buffer in shared memory.
func TestSharedIsNotRepeatable(t *testing.T) {
	dir, service := tempDir(t), &holdServer{entered: make(chan struct{}, 1)}
	first := startBy(t, new(hotline.Server), dir, 1, service)
	var c struct {
		hotline.ClientMethodsBase `name:"hold"`
		Hold                      func(context.Context, *hotline.Buffer) error `idempotent:"true"`
	}
	repeatable := make(chan bool, 1)
	note := func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
		err := next(ctx)
		repeatable <- call.Repeatable(err)
		return err
	}
	d := &hotline.Dialer{Dir: dir, Interceptors: []hotline.Interceptor{note}}
	if err := d.Connect(t.Context(), &c, "shm://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := c.NewBuffer(1 << 20)
	ended := make(chan error, 1)
	go func() { ended <- c.Hold(t.Context(), b) }()
	wait.Receive(t, "the call", service.entered)
	first.Close()
	if err := wait.Receive(t, "the call's end", ended); !errors.Is(err, hotline.ErrMaybeExecuted) {
		t.Errorf("the call ended with %v", err)
	}
	if wait.Receive(t, "the interceptor", repeatable) {
		t.Error("the call is said to be repeatable")
	}
}
