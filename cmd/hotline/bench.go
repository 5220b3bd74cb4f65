package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"

	"hotline"
	"hotline/internal/plural"
)

const benchHelp = `Call a method of a running service again and again, and print how many calls a
second it answers, how long they take, how many fail and why, and the CPU time
of this process.

Arguments are as for call, and the same for every call. All callers share one
link. Every call counts, the first ones too. Results are received and dropped.
Arguments are encoded anew for every call, by their types as the service tells
them: a program with a typed client needs less time for that.

--timeout bounds each call. Ctrl-C ends it early and prints what was measured.
If any call failed the exit code is 1.`

// defaultBench is how long is measured where neither a number of calls nor a duration is asked for.
const defaultBench = 5 * time.Second

// load is what bench is asked to do.
type load struct {
	callers  int
	calls    int64 // in all; 0 means that the duration counts
	duration time.Duration
	timeout  time.Duration // of each call; 0 means none
}

func (a *app) benchCommand() *cobra.Command {
	var r reach
	var l load
	cmd := &cobra.Command{
		Use:   "bench NAME|PORT METHOD [JSON | @FILE | -]...",
		Short: "Measure a method of a running service",
		Long:  benchHelp,
		Example: `  hotline bench echo_serv Sum 2 3
  hotline bench echo_serv EchoRaw @picture.png -c 64 -d 10s
  hotline bench 5555 Sum 2 3 -n 1000 --address tcp://10.0.0.7 -o json`,
		Args:              operands(2, anyNumber),
		ValidArgsFunction: a.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.check(); err != nil {
				return err
			}
			if err := l.check(); err != nil {
				return err
			}
			l.timeout = r.timeout
			return a.bench(cmd.Context(), args[0], args[1], args[2:], &r, &l)
		},
	}
	r.flags(cmd)
	r.messageFlag(cmd)
	flags := cmd.Flags()
	flags.IntVarP(&l.callers, "callers", "c", 1, "how many calls are in flight at once")
	flags.Int64VarP(&l.calls, "calls", "n", 0, "how many calls to make in all")
	flags.DurationVarP(&l.duration, "duration", "d", 0, "how long to call (default 5s)")
	return cmd
}

// check reports what is wrong with the flags.
func (l *load) check() error {
	switch {
	case l.callers < 1:
		return usagef("--callers %d: use 1 or more", l.callers)
	case l.calls < 0:
		return usagef("--calls %d: use 1 or more", l.calls)
	case l.duration < 0:
		return usagef("--duration %v: use more than nothing", l.duration)
	case l.calls > 0 && l.duration > 0:
		return usagef("use --calls or --duration, not both")
	}
	if l.calls == 0 {
		l.duration = cmp.Or(l.duration, defaultBench)
	}
	return nil
}

func (a *app) bench(ctx context.Context, target, method string, words []string, r *reach, l *load) error {
	starting, cancel := r.context(ctx)
	defer cancel()
	q, err := a.newRequest(starting, target, method, words, r)
	if err != nil {
		return err
	}
	defer q.client.Close()
	b := l.run(ctx, q)
	if a.json() {
		err = a.printJSON(b)
	} else {
		err = a.printBench(b)
	}
	if err == nil && b.failed() > 0 {
		err = fmt.Errorf("%d of %d calls failed", b.failed(), b.failed()+b.Calls)
	}
	return err
}

// measured is what bench found, as it is printed for scripts. Times are in nanoseconds and of calls that succeeded.
type measured struct {
	Service string           `json:"service"`
	Method  string           `json:"method"`
	Address string           `json:"address"`
	Callers int              `json:"callers"`
	Calls   int64            `json:"calls"` // that succeeded
	Errors  map[string]int64 `json:"errors"`
	Seconds float64          `json:"seconds"`
	PerSec  float64          `json:"calls_per_second"`
	P50     int64            `json:"p50_ns"`
	P90     int64            `json:"p90_ns"`
	P99     int64            `json:"p99_ns"`
	P999    int64            `json:"p99_9_ns"`
	Max     int64            `json:"max_ns"`
	CPU     int64            `json:"cpu_ns_per_call"` // of this process

	examples map[string]string // what a call of each kind of error said
}

func (b *measured) failed() (n int64) {
	for _, of := range b.Errors {
		n += of
	}
	return n
}

// run makes the calls, until all are made, the time is over or ctx ends.
func (l *load) run(ctx context.Context, q *request) *measured {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tallies := make([]*tally, min(l.callers, maxTallies))
	for i := range tallies {
		tallies[i] = newTally()
	}
	left := new(atomic.Int64)
	left.Store(cmp.Or(l.calls, 1<<62))
	began, before := time.Now(), cpuTime()
	if l.calls == 0 {
		// The calls in flight then are finished, not cancelled: their callers find none left.
		timer := time.AfterFunc(l.duration, func() { left.Store(0) })
		defer timer.Stop()
	}
	var wg sync.WaitGroup
	for i := range l.callers {
		wg.Go(func() { tallies[i%len(tallies)].call(ctx, q, left, l.timeout) })
	}
	wg.Wait()
	took, cpu := time.Since(began), cpuTime()-before

	b := &measured{Service: q.service.Name, Method: q.method.Name, Address: q.service.Address, Callers: l.callers,
		Errors: make(map[string]int64), examples: make(map[string]string), Seconds: took.Seconds()}
	times := tallies[0].times
	for i, t := range tallies {
		if i > 0 {
			times.Merge(t.times)
		}
		for kind, n := range t.errors {
			b.Errors[kind] += n
		}
		maps.Copy(b.examples, t.examples)
	}
	b.Calls = times.TotalCount()
	b.PerSec = float64(b.Calls) / took.Seconds()
	b.P50, b.P90, b.P99 = times.ValueAtQuantile(50), times.ValueAtQuantile(90), times.ValueAtQuantile(99)
	b.P999, b.Max = times.ValueAtQuantile(99.9), times.Max()
	if all := b.Calls + b.failed(); all > 0 {
		b.CPU = int64(cpu) / all
	}
	return b
}

const (
	longestCall = time.Hour // longer ones are not told apart
	maxTallies  = 64        // each has 264 KiB; any number of callers share them
)

// tally counts the calls of some callers.
type tally struct {
	mu       sync.Mutex
	times    *hdrhistogram.Histogram // under mu, in nanoseconds, with three digits
	errors   map[string]int64        // under mu, by kind
	examples map[string]string       // under mu, likewise
}

func newTally() *tally {
	return &tally{times: hdrhistogram.New(1, int64(longestCall), 3), errors: make(map[string]int64), examples: make(map[string]string)}
}

// call makes one call after the other.
func (t *tally) call(ctx context.Context, q *request, left *atomic.Int64, timeout time.Duration) {
	for left.Add(-1) >= 0 && ctx.Err() == nil {
		began := time.Now()
		err := callOnce(ctx, q, timeout)
		took := time.Since(began)
		if err == nil || ctx.Err() == nil { // else the user gave up
			t.count(took, err)
		}
	}
}

func (t *tally) count(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.times.RecordValue(int64(max(1, min(took, longestCall)))) // it is within the histogram's bounds
		return
	}
	kind := errorKind(err)
	t.errors[kind]++
	t.examples[kind] = err.Error()
}

func callOnce(ctx context.Context, q *request, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return q.client.Call(ctx, q.method.Name, nil, q.args...)
}

// errorKind returns the name of an error's code in spec.md, or what is known of an error that has none.
func errorKind(err error) string {
	var remote *hotline.Error
	switch {
	case errors.As(err, &remote):
		return remote.Code.String()
	case errors.Is(err, context.DeadlineExceeded):
		return hotline.CodeDeadline.String()
	case errors.Is(err, hotline.ErrTooLarge):
		return hotline.CodeTooLarge.String()
	case errors.Is(err, hotline.ErrNotExecuted):
		return "not executed"
	case errors.Is(err, hotline.ErrMaybeExecuted):
		return "maybe executed"
	}
	return "other"
}

// printBench writes what was measured for people.
func (a *app) printBench(b *measured) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s of %s at %s, %s\n", b.Method, b.Service, b.Address, plural.Of(b.Callers, "caller"))
	fmt.Fprintf(w, "calls\t%d in %.3g s, %.0f a second\n", b.Calls, b.Seconds, b.PerSec)
	if b.Calls > 0 {
		for _, p := range []struct {
			name string
			ns   int64
		}{{"p50", b.P50}, {"p90", b.P90}, {"p99", b.P99}, {"p99.9", b.P999}, {"longest", b.Max}} {
			fmt.Fprintf(w, "%s\t%v\n", p.name, time.Duration(p.ns))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(b.Errors)) {
		fmt.Fprintf(w, "%s\t%d, such as: %s\n", kind, b.Errors[kind], cell(b.examples[kind]))
	}
	if b.CPU > 0 {
		fmt.Fprintf(w, "CPU\t%v a call, of this process\n", time.Duration(b.CPU))
	}
	return w.Flush()
}
