//go:build race

package shm

import "sync/atomic"

// ioSync stands for the shared memory to the race detector, which can't see that two mappings in one process are the
// same memory: a Write happens before the Read of its frame. The standard library does the same for its system calls.
var ioSync atomic.Int64

func raceWrite() { ioSync.Add(1) }
func raceRead()  { ioSync.Load() }
