//go:build unix

package manager

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hotline"
)

// labMethods is a service with calls and streams of every kind.
type labMethods struct {
	Echo  func(ctx context.Context, data []byte) ([]byte, error)                         `codec:"raw"`
	Sum   func(ctx context.Context, a, b int) (int, error)                               `codec:"msgpack"`
	Count func(ctx context.Context, to int) iter.Seq2[int, error]                        `codec:"json"`
	Total func(ctx context.Context, numbers iter.Seq[int]) (int, error)                  `codec:"msgpack"`
	Twice func(ctx context.Context, numbers iter.Seq2[int, error]) iter.Seq2[int, error] `codec:"cbor"`
	Sleep func(ctx context.Context, ms int) error                                        `codec:"json"`
}

type labServer struct {
	hotline.ServerMethodsBase `port:"lab" name:"lab" version:"1.0.0"`
	labMethods
}

type labClient struct {
	hotline.ClientMethodsBase `port:"lab" name:"lab"`
	labMethods
}

func (s *labServer) Echo(_ context.Context, data []byte) ([]byte, error) { return data, nil }
func (s *labServer) Sum(_ context.Context, a, b int) (int, error)        { return a + b, nil }

func (s *labServer) Count(_ context.Context, to int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range to {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func (s *labServer) Total(_ context.Context, numbers iter.Seq[int]) (total int, _ error) {
	for n := range numbers {
		total += n
	}
	return total, nil
}

func (s *labServer) Twice(_ context.Context, numbers iter.Seq2[int, error]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for n, err := range numbers {
			if !yield(2*n, err) {
				return
			}
		}
	}
}

func (s *labServer) Sleep(ctx context.Context, ms int) error {
	return sleep(ctx, time.Duration(ms)*time.Millisecond)
}

// serveLab is a service's program as users write it.
func serveLab() error {
	var s hotline.Server
	if err := s.Register(new(labServer)); err != nil {
		return err
	}
	return s.Serve(context.Background())
}

// kill kills a worker's process. A worker that has none just then has pid 0, which kill(2) takes for this process's own group.
func kill(t testing.TB, pid int) {
	t.Helper()
	if pid <= 0 {
		t.Fatalf("a worker to be killed has no process, but pid %d", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("kill %d: %v", pid, err)
	}
}

// load makes calls of a lab service until it is stopped.
type load struct {
	t      *testing.T
	stop   chan struct{}
	group  sync.WaitGroup
	calls  atomic.Int64
	failed atomic.Int64
}

// run calls do, again and again, on a goroutine of its own.
func (l *load) run(what string, do func(i int) error) {
	l.group.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-l.stop:
				return
			default:
			}
			l.calls.Add(1)
			if err := do(i); err != nil {
				if l.failed.Add(1) <= 10 { // the rest would say no more
					l.t.Errorf("%s: %v", what, err)
				}
			}
		}
	})
}

// end stops the load and returns how many calls were made.
func (l *load) end() int64 {
	close(l.stop)
	l.group.Wait()
	return l.calls.Load()
}

// mixed runs a load of calls and streams of every kind over one client.
func (l *load) mixed(ctx context.Context, c *labClient) {
	same := func(got, want int, err error) error {
		if err == nil && got != want {
			err = fmt.Errorf("got %d, want %d", got, want)
		}
		return err
	}
	upTo := func(n int) iter.Seq[int] {
		return func(yield func(int) bool) {
			for i := range n {
				if !yield(i) {
					return
				}
			}
		}
	}
	l.run("Echo", func(i int) error {
		data := fmt.Appendf(nil, "%0*d", 1+i%5000, i)
		got, err := c.Echo(ctx, data)
		if err == nil && string(got) != string(data) {
			err = fmt.Errorf("got %.40q, want %.40q", got, data)
		}
		return err
	})
	for range 2 {
		l.run("Sum", func(i int) error {
			got, err := c.Sum(ctx, i, 1)
			return same(got, i+1, err)
		})
	}
	l.run("Sleep", func(i int) error { return c.Sleep(ctx, i%20) })
	l.run("Count", func(i int) error {
		next := 0
		for n, err := range c.Count(ctx, i%300) {
			if err := same(n, next, err); err != nil {
				return err
			}
			next++
		}
		return same(next, i%300, nil)
	})
	l.run("Total", func(i int) error {
		n := i % 300
		got, err := c.Total(ctx, upTo(n))
		return same(got, n*(n-1)/2, err)
	})
	l.run("Twice", func(i int) error {
		next := 0
		numbers := func(yield func(int, error) bool) {
			for n := range upTo(i % 100) {
				if !yield(n, nil) {
					return
				}
			}
		}
		for n, err := range c.Twice(ctx, numbers) {
			if err := same(n, 2*next, err); err != nil {
				return err
			}
			next++
		}
		return same(next, i%100, nil)
	})
}
