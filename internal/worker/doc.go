// Package worker is what the manager and a service process that it started say to each other.
//
// The manager makes a socket pair, keeps one end as a [Control] and starts the process with the other end as an
// inherited descriptor; [Settings], in the environment, say which one it is and what is wanted. The process writes
// one line of JSON for each thing that it has to say: what it serves, that it is ready. The manager writes a line for what it
// wants: the stacks of all goroutines, which the process answers, or an end, with or without as much time as that needs. When
// the manager's end is closed, by itself or by the kernel because it died, the process reads the end of the stream and stops. So
// there is no pid to watch. Either side leaves alone what it does not know of the other's lines.
//
// Where the manager died, the process does what that would have done: it ends the rest of its process group after its services,
// and kills the group, itself with it, if that takes longer than it may. What can't run can't do so: a process that is stopped
// by SIGSTOP lives on until it is continued, and one that has not come to serve yet has SIGTERM alone, on Linux. Nor is
// anything done of processes that left the group, or when the process itself is killed, too.
package worker
