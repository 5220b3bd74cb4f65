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
// when the manager dies, however it dies, the worker sees the end of that and stops, within the section's stop_timeout and a
// second, and ends what else is in its group; docs/service-ini.md says what may stay. A runtime directory has one manager.
//
// Where a section says as which user its workers run or what they may use, a worker begins as a launcher: the manager's
// own program, which takes that on and then becomes the service's. So a program that imports this package looks for the
// variable HOTLINE_LAUNCH before its main function, and becomes the program that it tells of.
//
// [Build] makes a directory that runs the same services without Go.
//
// # Replacing workers
//
// A worker is always replaced in one order: the new one is started, says that it is ready, answers a ping through the path
// that calls take, and then the old one drains: it gets no new calls, and has drain_timeout to finish those under way. There is one
// at a time in a section. [Manager.Restart], [Manager.Reload] and the limits of age, calls and memory do it so. A worker that is one
// too many drains in the same way, and so do those of a section that a reload removes, when another one serves what they do.
//
// TCP ports are opened once by the manager, or by systemd for it, and inherited. One port is one place for all workers, so it must
// stay open while there is none of them: a connection that comes then waits in the socket for the next worker.
//
// The sockets in the runtime directory are the workers' own, one set for each instance. A client looks for instances, not for a
// socket, and an instance is there for as long as its process is: its entry is a lock that the kernel ends with the process. If
// the manager held the sockets, a client could connect to one that nobody serves, and wait; as it is, it is refused at once
// and takes another instance, or looks until there is one. In the order above there always is one: the old instance says
// that it drains when the new one is ready already. Calls and streams that meet the end of an instance were not executed there, and
// the client makes them again elsewhere by itself. So no call fails of a restart, unless it takes longer than drain_timeout, which
// TestRollingRestart shows.
//
// # What was done
//
// A worker counts its calls in memory that the manager reads ([Manager.Stats]), also when the worker has ended, however it
// did. [Manager.Totals] adds up what all workers of a section have done: nothing is lost of it, and nothing goes back.
//
// # Who is waited for
//
// Workers are kept by goroutines that wait for nothing but them: not for who reads Options.Stdout, and not for the file
// system that logs are on or programs are removed from.
package manager
