package hsem

import (
	"math"
	"time"
)

// The state of a hybrid lock is one 64-bit word. Its low half is what sleepers sleep on:
//
//	bits  0-27  owner: the slot of the handle that holds the lock, 0 for nobody
//	bit     28  orphaned: nobody holds the lock, and its last owner closed its handle without giving it up
//	bit     29  destroyed
//	bit     31  waiters: somebody sleeps, or did; who gives the lock up wakes one
//	bits 32-63  epoch: how often the lock was taken
//
// Every change is a compare-and-swap of the whole word, so that whoever takes the lock from a dead owner takes it from that
// owner in that epoch, and not from somebody who came in between.
//
// Giving the lock up clears waiters and wakes one sleeper. That one takes the lock with waiters set, because it can't
// know whether it was the only one. A count of sleepers would be exact, but wrong for ever when a sleeper is killed.
const (
	ownerMask = 1<<28 - 1
	orphaned  = 1 << 28
	destroyed = 1 << 29
	waiters   = 1 << 31
	epochOne  = 1 << 32
)

// hybrid is one handle's part in the protocol of the hybrid lock. At most one goroutine at a time is in lock.
type hybrid struct {
	world world
	slot  uint32 // this handle's, from 1 to ownerMask
}

func owner(s uint64) uint32 { return uint32(s & ownerMask) }

// fast takes a lock that is free and about which there is nothing to say.
func (h *hybrid) fast() bool {
	s := h.world.load()
	return s&(ownerMask|orphaned|destroyed) == 0 && h.world.cas(s, s+epochOne|uint64(h.slot))
}

// take takes the lock from the state s, in which it is free or its owner dead.
func (h *hybrid) take(s, flags uint64) bool {
	return h.world.cas(s, (s&^(ownerMask|orphaned)+epochOne)|uint64(h.slot)|flags)
}

// notice is what a locker is told that took the lock from the state s, in which it was free.
func notice(s uint64) error {
	if s&orphaned != 0 {
		return ErrOwnerDied
	}
	return nil
}

// try takes the lock without waiting. The answer true may come with [ErrOwnerDied].
func (h *hybrid) try() (bool, error) {
	for {
		s := h.world.load()
		switch {
		case s&destroyed != 0:
			return false, ErrDestroyed
		case owner(s) == 0:
			if h.take(s, 0) {
				return true, notice(s)
			}
		case owner(s) == h.slot || h.world.alive(owner(s)):
			return false, nil
		default:
			if h.take(s, 0) {
				return true, ErrOwnerDied
			}
		}
	}
}

// lock takes the lock, waiting for it. The error [ErrOwnerDied] means that it is taken.
func (h *hybrid) lock(l limit) error {
	h.world.spin(func() bool {
		s := h.world.load()
		return owner(s) == 0 || s&destroyed != 0
	})
	var slept uint64        // waiters, once we have slept
	var check time.Duration // when to look next whether the owner is alive; the first time before the first sleep
	for {
		s := h.world.load()
		if s&destroyed != 0 {
			return ErrDestroyed
		}
		if owner(s) == 0 {
			if h.take(s, slept) {
				return notice(s)
			}
			continue
		}
		now := h.world.now()
		if now >= check {
			check = now + step
			if h.world.removed() { // whoever removed the file died before it could say so
				h.destroy()
				continue
			}
			if owner(s) != h.slot && !h.world.alive(owner(s)) {
				if h.take(s, slept) {
					return ErrOwnerDied
				}
				continue
			}
		}
		d, err := l.check(now, step)
		if err != nil {
			if slept != 0 {
				h.passOn()
			}
			return err
		}
		if owner(s) == h.slot { // another goroutine of ours, which wakes us without the kernel
			h.world.sleep(s, d)
			continue
		}
		if s&waiters == 0 && !h.world.cas(s, s|waiters) {
			continue
		}
		h.world.sleep(s|waiters, min(d, check-now))
		slept = waiters
	}
}

// passOn is for a sleeper that leaves without the lock: it may have been woken for it, or be the only one who knows that there
// are sleepers.
func (h *hybrid) passOn() {
	for {
		s := h.world.load()
		switch {
		case s&destroyed != 0:
			return
		case owner(s) == 0:
			h.world.wake(1)
			return
		case s&waiters != 0 || h.world.cas(s, s|waiters):
			return
		}
	}
}

// unlock gives the lock up. The error [ErrDestroyed] means that it was held, and is held no more.
func (h *hybrid) unlock() error { return h.giveUp(0) }

// abandon gives the lock up, if it is held, with a notice to the next locker.
func (h *hybrid) abandon() { _ = h.giveUp(orphaned) }

func (h *hybrid) giveUp(flags uint64) error {
	for {
		s := h.world.load()
		if owner(s) != h.slot {
			return ErrNotOwner
		}
		if !h.world.cas(s, s&^(ownerMask|waiters)|flags) {
			continue
		}
		if s&waiters != 0 {
			h.world.wake(1)
		}
		if s&destroyed != 0 {
			return ErrDestroyed
		}
		return nil
	}
}

// destroy ends all waits, those to come included.
func (h *hybrid) destroy() {
	for {
		s := h.world.load()
		if s&destroyed != 0 || h.world.cas(s, s&^waiters|destroyed) {
			h.world.wake(math.MaxInt32)
			return
		}
	}
}
