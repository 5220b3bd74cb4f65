package logs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollEvery is how often a log that is followed is looked at. Looking works on every file system and costs a system call or
// two; notices of changes don't come from those of the network.
const pollEvery = 100 * time.Millisecond

// Query reads the lines of logs in the order of their time. Its zero value reads all that there are.
type Query struct {
	Since  time.Time          // only lines that are not older
	Match  func(*Record) bool // only lines that it is true for; nil for all
	Last   int                // of all of them only the last, before those that come while they are followed; 0 for all
	Follow bool               // go on with those that come, until the context ends
}

// Run hands on the lines. emit owns the record; idle, which may be nil, is called where there is nothing more for now. Run
// ends with their first error, with that of a file, or with nil: at the end of ctx, or of the lines where they are not
// followed. No manager needs to run, and a log that is being written may be read.
func (q *Query) Run(ctx context.Context, places []Place, emit func(*Record) error, idle func() error) error {
	if q.Last < 0 {
		return fmt.Errorf("read the last %d lines of logs: use the number of lines, or 0 for all", q.Last)
	}
	var all []*cursor
	defer func() {
		for _, c := range all {
			c.reader.close()
		}
	}()
	for _, p := range places {
		c, err := q.open(p)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	if idle == nil {
		idle = func() error { return nil }
	}
	if err := q.history(ctx, all, emit); err != nil {
		return unlessEnded(ctx, err)
	}
	if err := idle(); err != nil || !q.Follow {
		return err
	}
	return unlessEnded(ctx, q.follow(ctx, all, emit, idle))
}

func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// history hands on the lines that there were when the query began: a log that is written faster than it is read has an end,
// too.
func (q *Query) history(ctx context.Context, all []*cursor, emit func(*Record) error) error {
	var last []*Record // a ring, once it is full
	seen := 0
	for ctx.Err() == nil {
		c, err := earliest(all, true)
		if err != nil {
			return err
		}
		if c == nil {
			break
		}
		r := c.take()
		switch {
		case q.Last == 0:
			if err := emit(r); err != nil {
				return err
			}
		case len(last) < q.Last:
			last = append(last, r)
		default:
			last[seen%q.Last] = r
		}
		seen++
	}
	for i := range last {
		if err := emit(last[(seen+i)%len(last)]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// follow hands on the lines that come.
func (q *Query) follow(ctx context.Context, all []*cursor, emit func(*Record) error, idle func() error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		for _, c := range all {
			c.atEnd = false
		}
		for ctx.Err() == nil {
			c, err := earliest(all, false)
			if err != nil {
				return err
			}
			if c == nil {
				break
			}
			if err := emit(c.take()); err != nil {
				return err
			}
			select {
			case <-tick.C: // the others may have more, too
				for _, c := range all {
					c.atEnd = false
				}
			default:
			}
		}
		if err := idle(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// earliest returns the cursor that has the earliest line, or nil where none has one.
func earliest(all []*cursor, history bool) (first *cursor, err error) {
	for _, c := range all {
		if err := c.fill(history); err != nil {
			return nil, err
		}
		if c.next != nil && (first == nil || c.at.Before(first.at)) {
			first = c
		}
	}
	return first, nil
}
