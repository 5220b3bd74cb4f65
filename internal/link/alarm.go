package link

import (
	"sync"
	"time"
)

// alarm runs a function at the earliest of the times it was given. Deadlines of many calls share one timer: a call
// costs one comparison while an earlier deadline is set, as is usual when calls have timeouts of the same length.
type alarm struct {
	clock clock
	fire  func() // runs on a goroutine of its own, with nothing locked; sets the alarm again for what is left

	mu      sync.Mutex
	timer   *time.Timer    // guarded by mu; nil until the first set
	at      int64          // guarded by mu: when timer fires, 0 when it is not set
	stopped bool           // guarded by mu
	running sync.WaitGroup // a fire under way
}

// set makes fire run at ns on the link's clock, or earlier.
func (a *alarm) set(ns int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped || a.at != 0 && a.at <= ns {
		return
	}
	a.at = ns
	d := time.Duration(ns - a.clock.now())
	if a.timer == nil {
		a.timer = time.AfterFunc(d, a.ring)
		return
	}
	a.timer.Reset(d)
}

func (a *alarm) ring() {
	a.mu.Lock()
	if a.stopped {
		a.mu.Unlock()
		return
	}
	a.at = 0
	a.running.Add(1)
	a.mu.Unlock()
	defer a.running.Done()
	a.fire()
}

// stop ends the alarm: fire does not run afterwards, and one under way has returned.
func (a *alarm) stop() {
	a.mu.Lock()
	a.stopped = true
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	a.running.Wait()
}
