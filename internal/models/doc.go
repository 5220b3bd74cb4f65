// Package models holds models in Promela of what is hard to get right between processes: the lock of package hsem with its
// timeouts and its dead owners, and the doorbell of package shm. Its tests have them checked by spin (the Debian package
// of that name), which tries every interleaving, together with versions that have a mistake in them, which it must find.
//
// A change of the code that a model describes is made in the model first.
package models
