// Package registry says who serves what, where, on this machine: a directory of the user's own, with the files of
// every running instance.
//
// A [Dir] is that directory. A server registers an [Instance] in it and gets an [Entry], which claims the port and
// the name and says how the instance is reached. A client looks instances up by port, by name or by name@major.
//
//	d, err := registry.Open("")
//	e, err := d.Register(registry.Instance{Name: "echo_serv", Port: "5555", Version: "1.0.0"})
//	defer e.Close()
//	// listen on e.SocketPath("unix"), then:
//	err = e.Update(registry.Ready, []string{"unix://" + e.SocketPath("unix")})
//
// # Files
//
// An instance is a kernel lock: its process holds the lock on <port>-<id>.<name>@<major>.lock for as long as it
// lives, and the kernel lets go of it when the process ends, however it ends. All that is known of an instance is
// believed only while that lock is held; no pid is ever asked. <port>-<id>.json has the rest, and is replaced as a
// whole, so that a reader never sees half of it. The instance's sockets are <port>-<id>.<kind>. What the dead leave
// is removed by [Dir.Sweep], and by the next instance that registers on the same port or name. The file ".claims" is
// locked by whoever registers or sweeps.
//
// A directory of root's can have others below it, u<uid>, that belong to another user each, for the services that a
// [Grant] names: <port>.<name>@<major>.<id>.u<uid> is locked while it holds. Lookups look into them for those services
// alone.
package registry
