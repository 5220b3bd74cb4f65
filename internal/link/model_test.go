package link_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// plan is one call of a random schedule. Its times are multiples of a tenth of a second that never tie, so that the few
// milliseconds that the engine needs to pass roles on decide nothing.
type plan struct {
	Start   time.Duration // when it is made
	Runs    time.Duration // how long its handler takes
	Timeout time.Duration // 0 for none
	Context bool          // the timeout is the context's
	Cancel  time.Duration // after its start; 0 for never
	Heeds   bool          // the handler ends with its context
	Method  uint16
	Size    int // of the request
	Reply   int
}

func plans(t *rapid.T, n int) []plan {
	const slot = 100 * time.Millisecond
	size := rapid.OneOf(rapid.IntRange(4, 100), rapid.IntRange(4, 20_000))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) plan {
		p := plan{
			Start:  time.Duration(rapid.IntRange(0, 100).Draw(t, "start")) * slot / 10,
			Runs:   time.Duration(rapid.IntRange(0, 5).Draw(t, "runs")) * 3 * slot,
			Heeds:  rapid.Bool().Draw(t, "heeds"),
			Method: uint16(rapid.IntRange(0, 2).Draw(t, "method")),
			Size:   size.Draw(t, "size"),
			Reply:  size.Draw(t, "reply"),
		}
		if rapid.Bool().Draw(t, "has timeout") {
			p.Timeout = time.Duration(rapid.IntRange(0, 5).Draw(t, "timeout"))*3*slot + slot
			p.Context = rapid.Bool().Draw(t, "by context")
		}
		if rapid.Bool().Draw(t, "has cancel") {
			p.Cancel = time.Duration(rapid.IntRange(0, 5).Draw(t, "cancel"))*3*slot + 2*slot
		}
		return p
	}), 1, n).Draw(t, "plans")
}

// expect is the model: what a call comes to, and when, after its start.
func (p *plan) expect() (time.Duration, error) {
	after, err := p.Runs, error(nil)
	if p.Timeout != 0 && p.Timeout < after {
		after, err = p.Timeout, context.DeadlineExceeded
	}
	if p.Cancel != 0 && p.Cancel < after {
		after, err = p.Cancel, context.Canceled
	}
	return after, err
}

// run makes the call.
func (p *plan) run(l *link.Client, number int) (time.Duration, error) {
	time.Sleep(p.Start)
	began := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if p.Cancel != 0 {
		defer time.AfterFunc(p.Cancel, cancel).Stop()
	}
	r := link.Request{Method: p.Method, Timeout: p.Timeout, Payload: pattern(p.Size, uint64(number))}
	binary.LittleEndian.PutUint32(r.Payload, uint32(number))
	if p.Context {
		var stop func()
		ctx, stop = context.WithTimeout(ctx, p.Timeout)
		defer stop()
		r.Timeout = 0
	}
	reply, err := l.Call(ctx, &r)
	if err == nil && !bytes.Equal(reply.Body, pattern(p.Reply, uint64(number))) {
		err = errors.New("another reply came")
	}
	reply.Release()
	return time.Since(began), err
}

// handle is the server's part.
func (p *plan) handle(ctx context.Context, number int, c *link.Incoming) error {
	want := pattern(p.Size, uint64(number))
	binary.LittleEndian.PutUint32(want, uint32(number))
	if !bytes.Equal(c.Payload, want) || c.Method != p.Method {
		return errors.New("another request came")
	}
	timer := time.NewTimer(p.Runs)
	defer timer.Stop()
	done := ctx.Done()
	if !p.Heeds {
		done = nil
	}
	select {
	case <-timer.C:
	case <-done:
		return ctx.Err()
	}
	if !bytes.Equal(c.Payload, want) {
		return errors.New("the request was changed under the handler")
	}
	c.Reply = pattern(p.Reply, uint64(number))
	return nil
}

// Calls of any sizes, made, cancelled and timed out at any times, all come to what the model says, at the time that it
// says: the bubble's clock moves only when everything is asleep. What hangs is a deadlock, and fails.
func TestModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		all := plans(r, 20)
		frame := rapid.SampledFrom([]int{4 << 10, 64 << 10}).Draw(r, "frame")
		trusted := rapid.Bool().Draw(r, "trusted")
		// With too few slots for all it is not known when a call begins, only that it comes to something that could be.
		limit := rapid.SampledFrom([]int{1, 3, 1024}).Draw(r, "limit")
		var failure error
		wait.Bubble(t, func(t *testing.T) { failure = follow(all, frame, trusted, limit) })
		if failure != nil {
			r.Fatal(failure)
		}
	})
}

// follow runs plans within a bubble, and reports the first difference from the model.
func follow(all []plan, frame int, trusted bool, limit int) error {
	near, far := transporttest.Pipe(&transporttest.PipeOptions{MaxFrame: frame, Untrusted: !trusted})
	options := &link.Options{MaxInFlight: limit, Buffers: &link.Buffers{Poison: true}, Methods: link.NewMethods(3)}
	server, err := link.NewServer(far, handler(func(ctx context.Context, c *link.Incoming) error {
		number := int(binary.LittleEndian.Uint32(c.Payload))
		return all[number].handle(ctx, number, c)
	}), options, nil)
	if err != nil {
		return err
	}
	client, err := link.NewClient(near, options)
	if err != nil {
		return err
	}
	failures := make(chan error, len(all)+2)
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			p := &all[i]
			took, err := p.run(client, i)
			after, want := p.expect()
			fits := errors.Is(err, want) || want == context.DeadlineExceeded && isDeadline(err)
			if limit >= len(all) && (!fits || took < after || took > after+90*time.Millisecond) {
				failures <- fmt.Errorf("call %d, %+v: after %v came %v; the model says %v after %v", i, *p, took, err, want, after)
			}
			possible := err == nil || p.Timeout != 0 && isDeadline(err) || p.Cancel != 0 && errors.Is(err, context.Canceled)
			// Handlers that heed nothing go on when their callers have gone, and only so many may.
			possible = possible || limit < len(all) && isCode(err, wire.CodeExhausted)
			if !possible {
				failures <- fmt.Errorf("call %d, %+v: after %v came %v", i, *p, took, err)
			}
		})
	}
	group.Wait()
	time.Sleep(time.Minute) // handlers that heed nothing end
	running, zombies, unsent, active := server.Counts()
	if running|zombies|unsent|int64(active) != 0 {
		failures <- fmt.Errorf("in the end the server counts %d, %d, %d, %d", running, zombies, unsent, active)
	}
	if slots, free := client.Free(); slots != free || client.Err() != nil {
		failures <- fmt.Errorf("in the end %d of %d slots are free, and the link ended by %v", free, slots, client.Err())
	}
	client.Close()
	server.Close()
	server.Wait()
	time.Sleep(time.Minute) // the sentry goes
	close(failures)
	return <-failures
}
