// Package hsem has named semaphores between processes of one machine: the [HybridLock], which spins before it sleeps and finds
// out when its owner has died, and the [PosixSemaphore], which programs in C and Python know too.
//
//	lock, err := hsem.Open("ledger", hsem.ConnectOrCreate, 1, 0o600)
//	if err != nil {
//		return err
//	}
//	defer lock.Close()
//	err = lock.Lock(ctx)
//	if errors.Is(err, hsem.ErrOwnerDied) {
//		repair() // we have the lock, but who had it before died in the middle
//	} else if err != nil {
//		return err
//	}
//	defer lock.Unlock()
//
// Both are one word in a file in /dev/shm, named after the semaphore, that all users of it map. The memory is what
// is shared: processes in different containers need the same /dev/shm, and nothing else in common. The word's protocol
// is in spec.md. A lock that nobody else wants takes no system call.
//
// The owner of a HybridLock is a handle, not a process's number: each handle keeps a lock of the kernel's on one byte of
// the file, its slot, which the kernel lets go of when the process dies. Who waits looks at the owner's slot before it sleeps
// and every 60 ms from then on. So a process that is stopped, or in another pid namespace, or has the number of a dead
// one, is never taken for what it is not; and a death is seen within 100 ms.
//
// A sleeper that waits for another process keeps one thread in the kernel, for all goroutines that wait through the same
// handle; they wait for it in channels. It wakes every 60 ms, or every 250 ms for a PosixSemaphore, which has no owner
// to look after; that makes good any wake-up that was lost with a process that died. It costs 0.3 % of a CPU, or 0.1 %.
// A context that ends wakes it at once.
//
// What is in the file is not trusted: it may break the semaphore, but not the process. A file that somebody cuts short is
// an error, not a fault.
//
// Semaphores need Linux, PosixSemaphores also amd64 or arm64. Elsewhere Open returns [ErrNotSupported].
package hsem
