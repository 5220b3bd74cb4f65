package manager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"hotline/internal/worker"
)

// noticeEvery is how often it is said that a worker is still not ready.
const noticeEvery = 10 * time.Second

// slot is the place of one worker of a pool, held by one process after the other.
type slot struct {
	pool    *pool
	number  int
	backoff backoff // of run

	mu        sync.Mutex
	state     State // and all below: under mu
	process   *process
	started   time.Time
	restarts  int
	lastEnd   string
	addresses []string
	wasReady  bool // at some time
}

// run keeps the slot filled until ctx ends, and returns when its process has ended.
func (w *slot) run(ctx context.Context) {
	for {
		ready, err := w.once(ctx)
		if ctx.Err() != nil {
			w.set(func() { w.state = Stopped })
			return
		}
		wait := w.backoff.after(ready)
		w.set(func() { w.state = Waiting })
		w.say("%v; starting it again in %v", err, roundTime(wait))
		w.pool.manager.log.Warn().Err(err).Str("section", w.pool.service.Section).Int("worker", w.number).
			Dur("again_in", wait).Msg("worker ended")
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			w.set(func() { w.state = Stopped })
			return
		}
		w.set(func() { w.restarts++ })
	}
}

// once runs one process to its end, or to that of ctx, and returns for how long it was ready and how it ended.
func (w *slot) once(ctx context.Context) (ready time.Duration, err error) {
	var last tail
	stderr := w.pool.log.writer(w.number, "stderr")
	p, err := w.pool.command(worker.Run, w.pool.log.writer(w.number, "stdout"), func(line []byte, more bool) {
		stderr(line, more)
		last.add(line, more)
	}).start()
	if err != nil {
		w.set(func() { w.lastEnd = err.Error() })
		return 0, fmt.Errorf("could not be started: %w", err)
	}
	w.set(func() { w.state, w.process, w.started = Starting, p, time.Now() })
	says := make(chan told, 1)
	listening := sync.WaitGroup{}
	listening.Go(func() { listen(p.control, says) }) // ends with the control channel, at the latest with the process
	defer func() {
		w.set(func() { w.process, w.addresses, w.lastEnd = nil, nil, p.ending() })
		listening.Wait()
	}()
	var readySince time.Time
	timeout, notice := time.NewTimer(w.pool.manager.options.StartTimeout), time.NewTicker(noticeEvery)
	defer timeout.Stop()
	defer notice.Stop()
	begun := time.Now()
	for {
		select {
		case t := <-says:
			switch {
			case t.err != nil:
				p.kill()
				<-p.exited
				return 0, fmt.Errorf("was killed: %w: is it built with another version of hotline?", t.err)
			case readySince.IsZero():
				readySince = time.Now()
				timeout.Stop()
				notice.Stop()
				w.becomeReady(t.message)
			}
		case <-p.exited:
			if readySince.IsZero() {
				return 0, fmt.Errorf("ended before it was ready (%s)%s", p.ending(), quoteOutput(&last))
			}
			ready = time.Since(readySince)
			return ready, fmt.Errorf("ended (%s) when it had been ready for %v", p.ending(), roundTime(ready))
		case <-timeout.C:
			p.kill()
			<-p.exited
			return 0, fmt.Errorf("was killed: it was not ready within %v%s", w.pool.manager.options.StartTimeout, quoteOutput(&last))
		case <-notice.C:
			w.say("not ready after %v: its constructor or its Start method has not returned yet", roundTime(time.Since(begun)))
		case <-ctx.Done():
			w.stop(p)
			return 0, ctx.Err()
		}
	}
}

// told is what a worker said, or that it said what can't be understood.
type told struct {
	message *worker.Message
	err     error
}

// listen hands on that a worker is ready, or said what can't be understood, and then reads on to the end.
func listen(c *worker.Control, says chan<- told) {
	heard := false
	for {
		m, err := c.Next()
		switch {
		case err == nil && m.Event == worker.IsReady && !heard:
			heard = true
			says <- told{message: m} // there is room for one
		case err == nil: // a newer worker may have more to say
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrClosed):
			return
		default:
			select {
			case says <- told{err: err}:
			default: // it is ready, and that has not been read yet: its chatter does not matter then
			}
			return
		}
	}
}

// becomeReady notes that the present process is ready.
func (w *slot) becomeReady(m *worker.Message) {
	first := false
	w.set(func() {
		first = !w.wasReady
		w.state, w.addresses, w.wasReady = Ready, m.Addresses, true
	})
	w.pool.manager.log.Info().Str("section", w.pool.service.Section).Int("worker", w.number).
		Strs("addresses", m.Addresses).Msg("worker ready")
	if first {
		w.pool.firstReady()
	} else {
		w.say("is ready again")
	}
}

// stop stops the present process.
func (w *slot) stop(p *process) {
	w.set(func() { w.state = Stopping })
	if wait := w.pool.manager.options.DrainTimeout; p.stop(wait) {
		w.say("did not stop within %v and was killed", wait)
	}
	w.pool.manager.log.Info().Str("section", w.pool.service.Section).Int("worker", w.number).
		Str("end", p.ending()).Msg("worker stopped")
}

func (w *slot) status() WorkerStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := WorkerStatus{
		Number: w.number, State: w.state, Restarts: w.restarts, LastEnd: w.lastEnd, Addresses: append([]string(nil), w.addresses...),
	}
	if w.process != nil {
		s.PID, s.Started = w.process.cmd.Process.Pid, w.started
	}
	return s
}

func (w *slot) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *slot) say(format string, args ...any) {
	w.pool.manager.say("%s: worker %d %s", w.pool.service.Section, w.number, fmt.Sprintf(format, args...))
}
