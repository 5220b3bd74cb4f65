package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"runtime"
	"testing"

	"hotline"
	"hotline/internal/wait"
)

func TestStart(t *testing.T) {
	dir, crew := tempDir(t), newCrew(1)
	crew[0].id = 7
	start(t, dir, 1, crew[0])
	c := connectCrew(t, &hotline.Dialer{Dir: dir})
	held := hotline.Start(func() (int, error) { return c.Hold(t.Context()) })
	wait.Until(t, "the call to have come in", func() bool { return crew[0].holding.Load() == 1 })
	select {
	case <-held.Done():
		t.Error("Done is closed before the call's end")
	default:
	}
	close(crew[0].letGo)
	<-held.Done()
	for range 2 {
		if id, err := held.Wait(); id != 7 || err != nil {
			t.Errorf("Wait: got %d, %v, want 7", id, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	late := hotline.Start(func() (int, error) { return c.Who(ctx) })
	if _, err := late.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait for a call that was cancelled: got %v", err)
	}
}

// A call that ends its goroutine has not gone well.
func TestGoexitInACall(t *testing.T) {
	exit := func(context.Context, *hotline.Call, func(context.Context) error) error {
		runtime.Goexit()
		return nil
	}
	dir, crew := tempDir(t), newCrew(1)
	start(t, dir, 1, crew[0])
	c := connectCrew(t, &hotline.Dialer{Dir: dir, Interceptors: []hotline.Interceptor{exit}})
	id := 5
	_, started := hotline.Start(func() (int, error) { return c.Who(t.Context()) }).Wait()
	for _, err := range []error{c.Go(t.Context(), "Who", &id).Wait(), started} {
		if !errors.Is(err, hotline.ErrMaybeExecuted) {
			t.Errorf("Wait: got %v, want ErrMaybeExecuted", err)
		}
	}
}

// Calls that run side by side, and stay typed.
func ExampleStart() {
	dir, stop := serveAdder()
	defer stop()
	ctx := context.Background()

	var adder adderClient
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(ctx, &adder); err != nil {
		log.Fatal(err)
	}
	defer adder.Close()
	var sums []*hotline.Promise[int]
	for i := range 3 {
		sums = append(sums, hotline.Start(func() (int, error) { return adder.Sum(ctx, i, 10) }))
	}
	for _, s := range sums {
		sum, err := s.Wait()
		fmt.Println(sum, err)
	}
	// Output:
	// 10 <nil>
	// 11 <nil>
	// 12 <nil>
}
