// Package worker is what the manager and a service process that it started say to each other.
//
// The manager makes a socket pair, keeps one end as a [Control] and starts the process with the other end as an
// inherited descriptor; [Settings], in the environment, say which one it is and what is wanted. The process writes
// one line of JSON for each thing that it has to say: what it serves, that it is ready. The manager writes nothing.
// When its end is closed, by itself or by the kernel because it died, the process reads the end of the stream and
// stops. So there is no pid to watch, and nobody is left behind.
package worker
