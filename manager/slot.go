package manager

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"hotline/internal/plural"
	"hotline/internal/worker"
)

// slot is one worker of a pool: a number, and one process after the other. All but pool and number is under the pool's lock.
type slot struct {
	pool   *pool
	number int

	edition    *edition // that its present or next process has
	replaces   *slot    // the worker in whose place this one is started; it goes when this one is ready
	retiring   bool     // it has been asked to end, and is not started again
	due        string   // why its process is to be replaced, "" if it is not
	state      State
	backoff    backoff
	againAt    time.Time    // while Waiting: when it is started
	orders     chan<- order // to the goroutine that watches the process; nil where there is none
	ordered    order        // the last one
	orderedAt  time.Time    // of the last one
	process    *process
	started    time.Time   // of the process
	startEnds  *time.Timer // for a process that is not ready by then; nil before the first
	readySince time.Time
	restarts   int
	lastEnd    string
	addresses  []string
}

// order is what is asked of a process, the sharper the higher.
type order int

const (
	noOrder    order = iota
	orderDrain       // end when all calls have ended, for which the section may have a bound
	orderStop        // end within stop_timeout
)

// begin starts a process.
func (w *slot) begin() {
	p := w.pool
	if w.lastEnd != "" {
		w.restarts++
		p.restarts++
		p.tally.restarted()
	}
	orders := make(chan order, 2) // each order is given once
	w.state, w.orders, w.ordered, w.started = Starting, orders, noOrder, time.Now()
	s := &watch{slot: w, edition: w.edition, orders: orders, begun: w.started}
	p.watches.Go(func() {
		ready, err := s.run()
		p.update(func() { w.over(ready, err) })
	})
}

// retire asks the worker to end for good.
func (w *slot) retire(how order) {
	w.retiring = true
	switch {
	case w.orders == nil:
		w.pool.remove(w)
	case how > w.ordered:
		w.ordered, w.orderedAt, w.state = how, time.Now(), Stopping
		w.orders <- how
	}
}

// release asks the worker to end for good when its calls have: it is replaced, one too many, or its section is drained. One that is
// not ready has none, and may never come to hear of it: it is stopped.
func (w *slot) release() {
	switch {
	case w.retiring:
	case w.state == Ready:
		w.retire(orderDrain)
	default:
		w.retire(orderStop)
	}
}

// startsIn returns how much of start_timeout, which a reload may change meanwhile, the process still has.
func (w *slot) startsIn() time.Duration {
	t := w.pool.manager.timing(w.pool.service)
	return time.Until(w.started.Add(t.start))
}

// drainsUntil returns when a worker that drains is asked to stop, whatever it does then; zero for never, as where a command
// drains the section.
func (w *slot) drainsUntil() (end time.Time) {
	if w.ordered == orderDrain && (w.pool.isOn() || w.pool.closing) {
		t := w.pool.manager.timing(w.pool.service)
		end = w.orderedAt.Add(t.drain)
	}
	return end
}

// doing returns how many calls the worker has under way, which is less than none where it is not ready.
func (w *slot) doing() int {
	if w.state != Ready || w.process == nil {
		return -1
	}
	l, err := w.process.figures.load()
	if err != nil { // it counts none
		return 0
	}
	return l.Running
}

// over takes note of the end of the process, which was ready for the given time.
func (w *slot) over(ready time.Duration, err error) {
	p := w.pool
	w.orders, w.process, w.addresses, w.due = nil, nil, nil, ""
	switch {
	case w.retiring:
		p.remove(w)
	case w.replaces != nil: // also where it was ready just now: the other has not been asked to end
		p.noteEnd(w.lastEnd)
		p.surgeFailed(w, err)
	default:
		p.noteEnd(fmt.Sprintf("worker %d %v", w.number, err))
		was := w.backoff.looping()
		wait := w.backoff.after(ready)
		w.state, w.againAt = Waiting, time.Now().Add(wait)
		w.sayAs(p.manager.log.Warn().Stringer("again_in", roundTime(wait)).Bool("failed", w.backoff.looping()),
			"%v; starting it again in %v", err, roundTime(wait))
		if w.backoff.looping() && !was {
			w.sayAs(p.manager.log.Error(), "has ended %d times in a row without being ready for %v: it has failed, and is tried "+
				"every %v from now on", loopEnds, w.backoff.stable, w.backoff.max)
		}
		if p.roll != nil && w.edition == p.current && ready < w.backoff.stable {
			p.failRoll(fmt.Errorf("section [%s]: the new worker %w; what ran before takes its place again", p.section, err))
		}
	}
}

func (w *slot) status() WorkerStatus {
	s := WorkerStatus{
		Number: w.number, State: w.state, Restarts: w.restarts, LastEnd: w.lastEnd, Addresses: append([]string(nil), w.addresses...),
		Generation: w.edition.number, Failed: w.backoff.looping(), Due: w.due,
	}
	if w.process != nil {
		s.PID, s.Started = w.process.cmd.Process.Pid, w.started
	}
	return s
}

// watch follows one process from its start to its end, on a goroutine of its own.
type watch struct {
	slot    *slot
	edition *edition
	orders  <-chan order
	begun   time.Time
	start   *time.Timer // slot.startEnds

	last    tail // of its standard error
	process *process
	pings   sync.WaitGroup
	pinged  chan error // takes how the ping went; nil before the worker has said that it is ready
	message *worker.Message
	ready   time.Time // zero before it is
	asked   order
	killAt  <-chan time.Time
}

// run runs one process to its end, and returns for how long it was ready and how it ended.
func (s *watch) run() (ready time.Duration, err error) {
	w := s.slot
	log := s.edition.log
	stderr := log.Writer(w.number, "stderr")
	c := s.edition.command(w.pool.manager, worker.Run, log.Writer(w.number, "stdout"), func(line []byte, more bool) {
		stderr(line, more)
		s.last.add(line, more)
	})
	if s.process, err = c.start(); err != nil {
		w.pool.update(func() { w.lastEnd = err.Error() })
		return 0, fmt.Errorf("could not be started: %w", err)
	}
	p := s.process
	w.pool.tally.begin(p)
	w.pool.update(func() {
		w.process, w.started = p, s.begun
		s.start = time.NewTimer(w.startsIn())
		w.startEnds = s.start
	})
	ctx, cancel := context.WithCancel(context.Background()) // of the ping
	err = s.follow(ctx)
	w.pool.tally.end(p)
	cancel()
	s.pings.Wait()
	w.pool.update(func() { w.lastEnd = p.ending() })
	if !s.ready.IsZero() {
		ready = time.Since(s.ready)
	}
	return ready, err
}

// follow returns when the process has ended.
func (s *watch) follow(ctx context.Context) error {
	notice := time.NewTicker(s.slot.pool.manager.noticeEvery)
	defer notice.Stop()
	defer s.start.Stop()
	for {
		select {
		case t := <-s.process.said:
			if err := s.hear(ctx, t); err != nil {
				return s.end(err)
			}
		case err := <-s.pinged:
			s.pinged = nil
			if err != nil && s.asked == noOrder {
				return s.end(fmt.Errorf("was killed: it said that it is ready, but does not answer: %w", err))
			}
			if err == nil {
				notice.Stop()
				s.becomeReady()
			}
		case <-s.start.C:
			if s.asked == noOrder && s.ready.IsZero() {
				return s.end(s.late())
			}
		case <-notice.C:
			s.notice()
		case o := <-s.orders:
			notice.Reset(s.slot.pool.manager.noticeEvery)
			s.obey(o)
		case <-s.killAt:
			s.warn("did not stop within %v and was killed", s.edition.stopTimeout(s.slot.pool.manager))
			s.process.kill()
		case <-s.process.exited:
			return s.ended()
		}
	}
}

// notice says what is waited for.
func (s *watch) notice() {
	switch s.asked {
	case noOrder:
		s.warn("not ready after %v: its constructor or its Start method has not returned yet", roundTime(time.Since(s.begun)))
	case orderDrain:
		calls := "its calls"
		if l, err := s.process.figures.load(); err == nil {
			calls = plural.Of(l.Running, "call")
		}
		w := s.slot
		w.pool.update(func() {
			bound := ""
			if end := w.drainsUntil(); !end.IsZero() {
				bound = fmt.Sprintf("; it is stopped in %v (drain_timeout)", roundTime(time.Until(end)))
			}
			w.say("still finishes %s, after %v%s", calls, roundTime(time.Since(w.orderedAt)), bound)
		})
	}
}

// late says why a process that was not ready within start_timeout is killed.
func (s *watch) late() error {
	m := s.slot.pool.manager
	t := m.timing(s.slot.pool.settings())
	if s.message != nil {
		return fmt.Errorf("was killed: it said that it is ready, but did not answer within %v", t.start)
	}
	return fmt.Errorf("was killed: it was not ready within %v%s", t.start, quoteOutput(&s.last))
}

// end kills the process for a reason.
func (s *watch) end(reason error) error {
	s.process.kill()
	<-s.process.exited
	return reason
}

// hear takes what the worker says.
func (s *watch) hear(ctx context.Context, t told) error {
	if t.err != nil {
		return fmt.Errorf("was killed: %w: is it built with another version of hotline?", t.err)
	}
	pinged := make(chan error, 1)
	s.message, s.pinged = t.message, pinged
	s.pings.Go(func() {
		m := s.slot.pool.manager
		pinged <- ping(ctx, m.dir.Path(), s.edition.home(m), s.edition.services, t.message.Addresses)
	})
	return nil
}

// becomeReady notes that the process is ready.
func (s *watch) becomeReady() {
	s.ready = time.Now()
	w := s.slot
	w.pool.update(func() {
		w.readySince, w.addresses = s.ready, s.message.Addresses
		again := ""
		if w.restarts > 0 {
			again = " again"
		}
		e := w.pool.manager.log.Info().Strs("addresses", w.addresses)
		words := fmt.Sprintf("is ready%s, pid %d", again, s.process.cmd.Process.Pid)
		if w.retiring {
			w.note(e, "%s", words)
			return
		}
		w.state = Ready
		if w.pool.served {
			w.sayAs(e, "%s", words)
			return
		}
		w.note(e, "%s", words) // to people it is said of all workers together
		w.pool.tell("worker %d %s", w.number, words)
	})
}

// obey asks the process to end.
func (s *watch) obey(o order) {
	s.asked = o
	if o == orderDrain {
		s.note("is asked to end when its calls have")
		if err := s.process.control.Drain(); err == nil || errors.Is(err, os.ErrClosed) {
			return
		}
	}
	stop := s.edition.stopTimeout(s.slot.pool.manager)
	s.note("is asked to end, and has %v", stop)
	s.process.terminate()
	s.killAt = time.After(stop)
}

// ended says how the process ended.
func (s *watch) ended() error {
	p := s.process
	switch {
	case s.asked != noOrder:
		s.note("has ended (%s)", p.ending())
		return nil
	case s.ready.IsZero():
		return fmt.Errorf("ended before it was ready (%s)%s", p.ending(), quoteOutput(&s.last))
	}
	return fmt.Errorf("ended (%s) when it had been ready for %v", p.ending(), roundTime(time.Since(s.ready)))
}

func (s *watch) warn(format string, args ...any) {
	s.slot.pool.update(func() { s.slot.warn(format, args...) })
}

func (s *watch) note(format string, args ...any) {
	w := s.slot
	w.pool.update(func() { w.note(w.pool.manager.log.Info(), format, args...) })
}
