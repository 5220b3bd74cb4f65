package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"hotline/bench/load"
	"hotline/bench/peer"
	"hotline/bench/report"
)

// cell is a row of the grid, or of another scenario: what each of some peers is measured in, one after the other.
type cell struct {
	scenario string
	peers    []peer.Peer
	job      load.Job
	clients  int // processes; 1 where nothing is said
	once     bool
	cost     time.Duration // about what one peer takes in one round, for the estimate

	// conditions sets up what is unusual, and returns how to undo it. Nil means none.
	conditions func(ctx context.Context, l *launcher) (undo func(), err error)
	// measure is another way to measure than by calls. Nil means calls.
	measure func(ctx context.Context, l *launcher, c *cell, p peer.Peer) (report.Row, error)
}

func (c *cell) String() string {
	text := fmt.Sprintf("%s, %d bytes, %d callers", c.scenario, c.job.Size, c.job.Callers)
	if c.job.Quiet > 0 {
		text += fmt.Sprintf(", after %v", c.job.Quiet)
	}
	return text
}

// start is how long it takes about to start a pair of processes and to end them.
const start = 150 * time.Millisecond

// estimate returns about how long one round of c takes.
func (c *cell) estimate() time.Duration {
	one := c.cost
	if one == 0 {
		one = start + c.job.Warm + c.job.Run
		if c.job.Quiet > 0 {
			one = start + time.Duration(c.job.Calls)*(c.job.Quiet+100*time.Microsecond)
		}
	}
	return 2*start + time.Duration(len(c.peers))*one
}

// row returns the row of one peer in c, without numbers.
func (c *cell) row(p peer.Peer) report.Row {
	return report.Row{Scenario: c.scenario, Peer: p.Name, Way: p.Way, Size: c.job.Size, Callers: c.job.Callers,
		Quiet: int64(c.job.Quiet)}
}

// run measures one peer.
func (c *cell) run(ctx context.Context, l *launcher, p peer.Peer) (report.Row, error) {
	if c.measure != nil {
		return c.measure(ctx, l, c, p)
	}
	row := c.row(p)
	server, dir, end, err := l.startServer(ctx, p)
	if err != nil {
		return row, err
	}
	defer end()
	job := c.job
	job.Peer, job.Dir, job.Server = p.Name, dir, server.cmd.Process.Pid
	results, err := runClients(ctx, l, max(1, c.clients), job)
	if err != nil {
		return row, err
	}
	row.Result = combine(results)
	return row, nil
}

// startServer starts p's server in a directory of its own and waits until it may be dialled. end ends it and removes the
// directory.
func (l *launcher) startServer(ctx context.Context, p peer.Peer) (s *process, dir string, end func(), err error) {
	dir, remove, err := scratch()
	if err != nil {
		return nil, "", nil, err
	}
	if s, err = l.start(ctx, roleServer, p.Name, dir); err != nil {
		remove()
		return nil, "", nil, err
	}
	end = func() {
		s.end()
		remove()
	}
	if err := s.answer(nil); err != nil {
		end()
		return nil, "", nil, err
	}
	return s, dir, end, nil
}

// runClients lets n processes do the same job at the same time.
func runClients(ctx context.Context, l *launcher, n int, job load.Job) ([]load.Result, error) {
	var clients []*process
	defer func() {
		for _, c := range clients {
			c.end()
		}
	}()
	ready := job
	ready.Warm, ready.Run, ready.Quiet, ready.Calls = 0, 0, 0, 1
	for range n {
		c, err := l.start(ctx, roleClient)
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
		if n > 1 { // all are connected before the first one begins
			if err := c.ask(ready, nil); err != nil {
				return nil, err
			}
		}
	}
	for _, c := range clients {
		if err := c.send(job); err != nil {
			return nil, err
		}
	}
	results := make([]load.Result, n)
	for i, c := range clients {
		if err := c.answer(&results[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// combine makes one result of those of clients that ran at the same time: rates add up, of each percentile the worst
// is taken, and the slowest is told by its part of the fastest.
func combine(all []load.Result) load.Result {
	if len(all) == 1 {
		return all[0]
	}
	sum := all[0]
	slowest, fastest := math.Inf(1), 0.0
	sum.Calls, sum.PerSec, sum.Timed, sum.Client, sum.Server, sum.Allocs = 0, 0, 0, 0, 0, 0
	for _, r := range all {
		sum.Calls += r.Calls
		sum.Timed += r.Timed
		sum.PerSec += r.PerSec
		sum.Seconds = max(sum.Seconds, r.Seconds)
		sum.P50, sum.P90, sum.P99 = max(sum.P50, r.P50), max(sum.P90, r.P90), max(sum.P99, r.P99)
		sum.P999, sum.Max = max(sum.P999, r.P999), max(sum.Max, r.Max)
		slowest, fastest = min(slowest, r.PerSec), max(fastest, r.PerSec)
		sum.Client += r.Client * float64(r.Calls)
		sum.Allocs += r.Allocs * float64(r.Calls)
		sum.Server = max(sum.Server, r.Server*float64(r.Calls)) // each saw the CPU time of the whole server
	}
	n := float64(sum.Calls)
	sum.Client, sum.Server, sum.Allocs = sum.Client/n, sum.Server/n, sum.Allocs/n
	sum.Slowest = slowest / fastest
	return sum
}

// links is how many links are idle in the scenario of that name.
const links = 100

// measureIdle returns a measure that holds idle links for a time and reads the CPU time that passes.
func measureIdle(quiet time.Duration) func(context.Context, *launcher, *cell, peer.Peer) (report.Row, error) {
	return func(ctx context.Context, l *launcher, c *cell, p peer.Peer) (report.Row, error) {
		return withLinks(ctx, l, c, p, links, func(server, client *process, row *report.Row) error {
			select {
			case <-time.After(time.Second): // whatever was warm has cooled down
			case <-ctx.Done():
				return ctx.Err()
			}
			before, err := ticks(server, client)
			if err != nil {
				return err
			}
			select {
			case <-time.After(quiet):
			case <-ctx.Done():
				return ctx.Err()
			}
			after, err := ticks(server, client)
			row.Ticks, row.Seconds = after-before, quiet.Seconds()
			return err
		})
	}
}

func ticks(server, client *process) (int64, error) {
	a, err := load.Ticks(server.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	b, err := load.Ticks(client.cmd.Process.Pid)
	return a + b, err
}

// measureHeap returns a measure that holds up to wanted idle links, as many as the limit of open files allows.
func measureHeap(wanted int) func(context.Context, *launcher, *cell, peer.Peer) (report.Row, error) {
	return func(ctx context.Context, l *launcher, c *cell, p peer.Peer) (report.Row, error) {
		const some, own = 100, 40 // links, and at most so many files that are not of links
		probe, err := withLinks(ctx, l, c, p, some, nil)
		if err != nil {
			return probe, err
		}
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return probe, os.NewSyscallError("getrlimit", err)
		}
		// The runtime raises the limit to the hard one. Links are made one after the other, so some files are spare.
		each := max(1, (probe.Files-own+some-1)/some)
		n := min(wanted, (int(limit.Max)-200)/each)
		return withLinks(ctx, l, c, p, n, nil)
	}
}

// withLinks makes n idle links, reads what each costs the server in memory, and lets more, if not nil, read more.
func withLinks(ctx context.Context, l *launcher, c *cell, p peer.Peer, n int, more func(server, client *process, row *report.Row) error) (report.Row, error) {
	row := c.row(p)
	server, dir, end, err := l.startServer(ctx, p)
	if err != nil {
		return row, err
	}
	defer end()
	client, err := l.start(ctx, roleLinks)
	if err != nil {
		return row, err
	}
	defer client.end()
	job := load.Job{Peer: p.Name, Dir: dir, Size: c.job.Size, Callers: 1}
	var before, after load.Usage
	err = client.ask(job, nil) // the first link brings what a server has once
	if err == nil {
		err = server.ask("usage", &before)
	}
	job.Callers = n - 1
	if err == nil {
		err = client.ask(job, nil)
	}
	if err == nil {
		err = server.ask("usage", &after)
	}
	if err != nil {
		return row, err
	}
	row.Links, row.Files = n, after.Files
	row.KiB = (float64(after.Memory) - float64(before.Memory)) / float64(n-1) / 1024
	if more != nil {
		err = more(server, client, &row)
	}
	return row, err
}
