// Package streamtest holds the tests of byte streams through shared memory whose requirements are too much for hotline's own
// go.mod: gRPC over [shm.Stream]. It is a module of its own: go test runs them here, in its folder.
package streamtest
