// Package board is a page of memory on which a worker counts its calls, and that its manager reads.
//
// The manager makes the memory with [New], keeps it mapped for reading as a [View] and hands the file to the worker,
// which opens it as a [Board]. Every link of the worker counts with a [Meter] of its own: [Meter.Begin] when a handler
// is entered, [Call.End] when it has returned. That is two readings of the clock and six atomic steps on memory that
// few others write, no lock, and nothing that the manager has to be there for. The manager in turn reads without the worker: what
// a worker does is known even while it hangs, or is stopped.
//
// All of it is counted, nothing is sampled, and every word makes sense by itself: a reader that comes in the middle of
// a step, or a worker that dies there, makes a figure wrong by the one call that it is about.
//
// The worker is not trusted. A View loads each word once and checks the copy; the memory can't be made smaller under it.
package board
