package link

import (
	"errors"
	"time"
)

// quiet is how long a link is left without a reader when no call is in flight, and half of how long it takes at most
// until the watcher reads.
const quiet = 25 * time.Millisecond

// watch reads while nobody calls, so that the link's end and a goaway are seen at once. It sleeps in the connection;
// when a call comes it answers for it once, and steps down until the link has been quiet for a while. While one call
// goes on and on, whose owner reads, it sleeps until nobody does. It also reads the answers that nobody waits for.
func (l *Client) watch() {
	defer l.group.Done()
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	var seen uint64
	for {
		l.mu.Lock()
		ended, still := l.err != nil, l.began == seen
		idle := (still || l.table.oneway > 0) && !l.reading
		seen = l.began
		if !ended {
			l.reading = l.reading || idle
			l.watcherSleeps = still && !idle
		}
		sleep := l.watcherSleeps
		l.mu.Unlock()
		if ended {
			return
		}
		if idle && l.readOnce() {
			continue
		}
		var tick <-chan time.Time
		if !sleep {
			timer.Reset(quiet)
			tick = timer.C
		}
		select {
		case <-tick:
		case <-l.wakeWatcher:
		case <-l.ended:
			return
		}
	}
}

// readOnce reads, with the role that watch has taken, until it has answered a call. It reports whether there are more to be
// answered that nobody waits for.
func (l *Client) readOnce() bool {
	for {
		got, err := l.step(nil)
		if err != nil && !errors.Is(err, ErrInterrupted) {
			l.fail(err)
		}
		if got == answer || err != nil {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due.wake()
	l.reading = false
	if l.table.parked.first == nil && l.table.oneway > 0 {
		return true
	}
	l.passOnLocked()
	return false
}
