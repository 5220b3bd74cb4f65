package hsem

import "math"

// The state of a counting semaphore is glibc's (struct new_sem, where 64-bit atomics exist): the value in the low half, on which
// sleepers sleep, and the number of waiters in the high half.
const (
	maxValue  = math.MaxInt32 // SEM_VALUE_MAX
	waiterOne = 1 << 32
)

// counting is the protocol of glibc's sem_wait and sem_post. At most one goroutine of a handle at a time is in lock.
type counting struct {
	world world
}

func value(s uint64) uint32 { return uint32(s) }

// fast takes one from a value above zero.
func (c *counting) fast() bool {
	s := c.world.load()
	return value(s) > 0 && !c.world.marked() && c.world.cas(s, s-1)
}

// try takes one without waiting.
func (c *counting) try() (bool, error) {
	if c.world.marked() {
		return false, ErrDestroyed
	}
	for {
		s := c.world.load()
		if value(s) == 0 {
			return false, nil
		}
		if c.world.cas(s, s-1) {
			return true, nil
		}
	}
}

// lock takes one, waiting for it. There is no owner who could die, but the sleep is bounded all the same: by [longStep].
func (c *counting) lock(l limit) error {
	c.world.spin(func() bool { return value(c.world.load()) > 0 })
	if ok, err := c.try(); ok || err != nil {
		return err
	}
	c.add(waiterOne)
	for {
		s := c.world.load()
		if c.world.marked() {
			c.leave()
			return ErrDestroyed
		}
		if value(s) > 0 {
			if c.world.cas(s, s-1-waiterOne) {
				return nil
			}
			continue
		}
		d, err := l.check(c.world.now(), longStep)
		if err != nil {
			c.leave()
			return err
		}
		c.world.sleep(s, d)
	}
}

// leave takes a waiter from the count. It owes nobody a wake-up: every unlock wakes a sleeper if there is one, and who was
// woken and sees a value above zero takes from it, whatever the limit says.
func (c *counting) leave() { c.add(math.MaxUint64 - waiterOne + 1) }

// add adds to the state, and returns the new one.
func (c *counting) add(n uint64) uint64 {
	for {
		s := c.world.load()
		if c.world.cas(s, s+n) {
			return s + n
		}
	}
}

// unlock adds one.
func (c *counting) unlock() error {
	if c.world.marked() {
		return ErrDestroyed
	}
	for {
		s := c.world.load()
		if value(s) >= maxValue {
			return ErrOverflow
		}
		if c.world.cas(s, s+1) {
			if s >= waiterOne {
				c.world.wake(1)
			}
			return nil
		}
	}
}

// destroy ends the waits of those who know the mark, which programs in C don't: to them a wake-up is one for no reason. The
// mark is not in the word that is slept on, so who is about to sleep may miss it and see it a step later.
func (c *counting) destroy() {
	c.world.mark()
	c.world.wake(math.MaxInt32)
}
