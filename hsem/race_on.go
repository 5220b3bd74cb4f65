//go:build race

package hsem

import "sync/atomic"

// raceSync stands for the shared memory to the race detector, which can't see that two mappings in one process are the
// same memory: an Unlock happens before the Lock that follows it. The standard library does the same for its system calls.
var raceSync atomic.Int64

func raceUnlocking() { raceSync.Add(1) }
func raceLocked()    { raceSync.Load() }
