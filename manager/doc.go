// Package manager runs the services of a service.ini: it builds their programs, starts worker processes, starts those
// that end again, keeps their logs, and stops them. It stands between no caller and no worker: calls go from one to
// the other.
//
// [Load] reads the file into a [Config]; a [Manager] runs it.
//
//	config, err := manager.Load("service.ini")
//	m, err := manager.New(config, &manager.Options{Stdout: os.Stdout})
//	err = m.Run(ctx) // until ctx ends
//
// A worker is a process of its own, the leader of a process group. It holds one end of a socket pair with the manager:
// when the manager dies, however it dies, the worker sees the end of that and stops. Its TCP ports are opened once by
// the manager and inherited, so they stay open while a worker is replaced.
package manager
