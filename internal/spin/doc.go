// Package spin is the waiting policy of everything in this module that polls, memory or a socket, before it sleeps.
//
// A [Group] is what a process may spend: it knows how many CPUs the process really has, and lets no more goroutines
// spin at once than leave one of them free. A [Waiter] is one waiting place: it learns from its last waits whether
// spinning pays there. On one CPU nothing spins, because the peer could not run meanwhile. A CPU quota, or
// GOMAXPROCS, of one is another matter: the peer has its own, and a look for a microsecond or two is a tenth of the
// CPU time that sleeping and being woken cost.
//
// A wait has up to three phases. The tight one polls with a CPU's pause instruction between looks, for a microsecond
// or two: a peer that is running answers in that time. Then the CPU is offered to whoever else is ready to run on it:
// that may be the peer, and a thread that finds its peer there again and again moves to another CPU. The long phase
// polls until the budget is spent. Both ends of a link wait in the same way, so that neither starves the other.
package spin
