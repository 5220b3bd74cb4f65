package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"hotline/bench/calibrate"
	"hotline/bench/peer"
	"hotline/bench/report"
)

// runner measures a plan.
type runner struct {
	rows     *report.Writer
	progress io.Writer
	failed   int // peers that failed in a cell
}

// run measures all cells, round by round, the peers of a cell one after the other, until it is done or ctx ends.
func (r *runner) run(ctx context.Context, cells []*cell, rounds int) error {
	begun, planned, done := time.Now(), total(cells, rounds), time.Duration(0)
	for round := 1; round <= rounds; round++ {
		for _, c := range cells {
			if c.once && round > 1 {
				continue
			}
			fmt.Fprintf(r.progress, "round %d of %d: %v; about %v left\n", round, rounds, c, remaining(time.Since(begun), done, planned))
			if err := r.round(ctx, c, round); err != nil {
				return err
			}
			done += c.estimate()
		}
	}
	fmt.Fprintf(r.progress, "done in %v\n", time.Since(begun).Round(time.Second))
	return nil
}

// total returns the estimate of all rounds.
func total(cells []*cell, rounds int) time.Duration {
	var all time.Duration
	for _, c := range cells {
		if c.once {
			all += c.estimate()
		} else {
			all += c.estimate() * time.Duration(rounds)
		}
	}
	return all
}

// remaining corrects the estimate of what is left by how long what was done has taken.
func remaining(took, done, planned time.Duration) time.Duration {
	factor := 1.0
	if done > 0 {
		factor = float64(took) / float64(done)
	}
	return time.Duration(float64(planned-done) * factor).Round(time.Second)
}

// round measures the peers of c once each, between two calibrations, and writes the rows.
func (r *runner) round(ctx context.Context, c *cell, round int) error {
	plain := func(ctx context.Context, role string) *exec.Cmd { return new(launcher).command(ctx, role) }
	before, err := calibrate.Measure(ctx, plain)
	if err != nil {
		return stopped(ctx, err)
	}
	rows, err := r.peers(ctx, c)
	if err != nil {
		return stopped(ctx, err)
	}
	after, err := calibrate.Measure(ctx, plain)
	if err != nil {
		after = before // the end came: what was measured is kept
	}
	for i := range rows {
		rows[i].Round = round
		rows[i].Line, rows[i].Clock = (before.Line+after.Line)/2, (before.Clock+after.Clock)/2
		if err := r.rows.Write(&rows[i]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// peers measures the peers of c under its conditions. One that fails has a row with its error; when ctx ends, the rows
// are those of the peers before.
func (r *runner) peers(ctx context.Context, c *cell) ([]report.Row, error) {
	l := new(launcher)
	if c.conditions != nil {
		undo, err := c.conditions(ctx, l)
		if errors.Is(err, errSkipped) {
			fmt.Fprintln(r.progress, "  "+err.Error())
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		defer undo()
	}
	var rows []report.Row
	for _, p := range c.peers {
		row, err := r.one(ctx, l, c, p)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			r.failed++
			fmt.Fprintf(r.progress, "  %s failed: %v\n", p.Name, err)
			row.Error = err.Error()
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// limit bounds what one peer may take in one cell beyond what was asked for.
const limit = time.Minute

func (r *runner) one(ctx context.Context, l *launcher, c *cell, p peer.Peer) (report.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.estimate()+limit)
	defer cancel()
	return c.run(ctx, l, p)
}

func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
