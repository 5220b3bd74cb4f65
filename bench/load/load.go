// Package load makes the calls that are measured, in the client's process.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"hotline/bench/peer"
)

// Job says what to measure.
type Job struct {
	Peer    string        // its name
	Dir     string        // where its server is
	Server  int           // the server's process
	Size    int           // bytes that are echoed
	Callers int           // goroutines that call, on what one client process holds
	Warm    time.Duration // calls before the measurement
	Run     time.Duration // the measurement, unless Calls is set
	Calls   int           // by each caller, where the number is what counts
	Quiet   time.Duration // pause before every call
	Add     bool          // call the typed method in place of the echo
}

// Result is what came of a job. Times are in nanoseconds, those of one call where nothing else is said.
type Result struct {
	Calls   int64
	Seconds float64
	PerSec  float64
	P50     int64
	P90     int64
	P99     int64
	P999    int64
	Max     int64
	Timed   int64   // calls whose time was taken
	Slowest float64 // calls of the slowest caller, over the mean of all
	Client  float64 // CPU time of the client's process
	Server  float64 // CPU time of the server's process
	Allocs  float64 // allocations in the client's process
}

// The clock is read twice for a timed call, which costs as much as a short call does. Where calls come faster than
// often a second, one call in sample is timed.
const (
	often  = 200_000
	sample = 8
)

// longest is the longest time that is told apart from longer ones.
const longest = time.Minute

// Do runs a job on c.
func Do(ctx context.Context, c peer.Client, job Job) (*Result, error) {
	callers := make([]*caller, job.Callers)
	for i := range callers {
		call, err := callOf(c, job)
		if err != nil {
			return nil, err
		}
		callers[i] = &caller{call: call, quiet: job.Quiet, times: hdrhistogram.New(1, int64(longest), 3), every: 1}
	}
	warm := Job{Run: job.Warm, Calls: min(job.Calls, 2)}
	if job.Quiet > 0 {
		warm.Calls = 2
	}
	began := time.Now()
	if err := each(ctx, callers, warm); err != nil {
		return nil, err
	}
	rate := float64(total(callers)) / time.Since(began).Seconds()
	for _, k := range callers {
		k.calls = 0
		k.times.Reset()
		if rate > often {
			k.every = sample
		}
	}
	return measure(ctx, callers, job)
}

// measure makes the calls that count.
func measure(ctx context.Context, callers []*caller, job Job) (*Result, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	client, server := processTime(0), processTime(job.Server)
	began := time.Now()
	if err := each(ctx, callers, job); err != nil {
		return nil, err
	}
	took := time.Since(began)
	client, server = processTime(0)-client, processTime(job.Server)-server
	runtime.ReadMemStats(&after)

	times := callers[0].times
	slowest := callers[0].calls
	for _, k := range callers[1:] {
		times.Merge(k.times)
		slowest = min(slowest, k.calls)
	}
	calls := total(callers)
	if calls == 0 {
		return nil, errors.New("no call ended in the time")
	}
	n := float64(calls)
	return &Result{
		Calls: calls, Seconds: took.Seconds(), PerSec: n / took.Seconds(), Timed: times.TotalCount(),
		P50: times.ValueAtQuantile(50), P90: times.ValueAtQuantile(90), P99: times.ValueAtQuantile(99),
		P999: times.ValueAtQuantile(99.9), Max: times.Max(),
		Slowest: float64(slowest) * float64(len(callers)) / n,
		Client:  float64(client) / n, Server: float64(server) / n,
		Allocs: float64(after.Mallocs-before.Mallocs) / n,
	}, nil
}

// caller is one calling goroutine.
type caller struct {
	call  func() error
	quiet time.Duration
	every int64 // one call in so many is timed
	calls int64
	times *hdrhistogram.Histogram
	_     [64]byte // the counts of two callers are on cache lines of their own
}

// each lets all callers call at once: so many calls each, or until the time is over.
func each(ctx context.Context, callers []*caller, job Job) error {
	var stop atomic.Bool
	if job.Calls == 0 {
		timer := time.AfterFunc(job.Run, func() { stop.Store(true) })
		defer timer.Stop()
	}
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	var wg sync.WaitGroup
	errs := make([]error, len(callers))
	for i, k := range callers {
		wg.Go(func() {
			if errs[i] = k.run(&stop, int64(job.Calls)); errs[i] != nil {
				stop.Store(true)
			}
		})
	}
	wg.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// run calls until stop is set, or limit times if limit is not 0.
func (k *caller) run(stop *atomic.Bool, limit int64) error {
	epoch := time.Now()
	for n := int64(0); !stop.Load() && (limit == 0 || n < limit); n++ {
		if k.quiet > 0 {
			time.Sleep(k.quiet)
		}
		if k.every > 1 && n%k.every != 0 {
			if err := k.call(); err != nil {
				return err
			}
			k.calls++
			continue
		}
		began := time.Since(epoch)
		if err := k.call(); err != nil {
			return err
		}
		took := time.Since(epoch) - began
		if err := k.times.RecordValue(int64(max(1, min(took, longest)))); err != nil {
			return err
		}
		k.calls++
	}
	return nil
}

func total(callers []*caller) int64 {
	var n int64
	for _, k := range callers {
		n += k.calls
	}
	return n
}

// callOf returns the call that one caller makes. Of an echo, its length and its ends are checked every time, and all of
// it the first time.
func callOf(c peer.Client, job Job) (func() error, error) {
	if job.Add {
		a, ok := c.(peer.Adder)
		if !ok {
			return nil, fmt.Errorf("%s has no typed method here", job.Peer)
		}
		return func() error {
			_, err := a.Add(2, 3)
			return err
		}, nil
	}
	call, err := c.Caller()
	if err != nil {
		return nil, err
	}
	data := make([]byte, job.Size)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	first, last := true, len(data)-1
	return func() error {
		echo, err := call(data)
		if err != nil {
			return err
		}
		if len(echo) != len(data) || echo[0] != data[0] || echo[last] != data[last] || first && !bytes.Equal(echo, data) {
			return fmt.Errorf("%d bytes came back, and not those that were sent", len(echo))
		}
		first = false
		return nil
	}, nil
}
