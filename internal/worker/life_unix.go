//go:build unix

package worker

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// life is what a worker knows of its manager's.
type life struct {
	parent int         // the manager's pid, as the kernel tells it
	told   atomic.Bool // the manager has said that it wants the end
	kill   sync.Once   // of killLater
}

// wordWait is how long the manager's word, or the end of its channel, may come after the signals that come with it.
const wordWait = time.Second

// killLater kills the process and its group when the manager would have.
func (s *Settings) killLater() {
	if s.StopTimeout > 0 {
		s.kill.Do(func() { time.AfterFunc(s.StopTimeout+KillGrace, killGroup) })
	}
}

// killGroup kills this process, and its group where that is its own.
func killGroup() {
	target := os.Getpid()
	if leads() {
		target = ownGroup
	}
	_ = unix.Kill(target, unix.SIGKILL) // it can't fail for one's own
}

// ownGroup is the caller's process group, to kill.
const ownGroup = 0

// leads reports whether this process is the leader of its process group, as the manager makes it.
func leads() bool { return unix.Getpgrp() == os.Getpid() }

// EndGroup does for a manager that is gone what that does when a worker has ended: it ends the rest of the process group, by
// SIGTERM, which the process itself gets, too. On Linux it returns when that has ended; where it does not end in time the group
// is killed, this process with it. While the manager lives it does nothing. It is to be called when the serving has ended.
func (s *Settings) EndGroup() {
	if !leads() || s.StopTimeout == 0 || alone() || !s.orphaned() {
		return
	}
	s.killLater()
	_ = unix.Kill(ownGroup, unix.SIGTERM) // it can't fail for one's own
	awaitAlone()
}

// orphaned reports whether the manager is gone: its end of the channel was closed without a word before, or the process has
// another parent now. Where somebody else asked for the end it waits for that in vain.
func (s *Settings) orphaned() bool {
	timeout := time.NewTimer(wordWait)
	defer timeout.Stop()
	gone := false
	select {
	case <-s.Gone():
		gone = !s.told.Load()
	case <-timeout.C:
	}
	return gone || os.Getppid() != s.parent
}
