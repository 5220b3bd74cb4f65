// Package nettcp carries hotline's frames over byte-stream sockets: TCP, TLS over TCP, and unix sockets.
//
// A [Listener] accepts connections, [Dial] makes one, and both give a [*Conn], which moves whole frames: a header of
// 32 bytes, then the payload, as spec.md has them. The package knows nothing of calls.
//
//	l, err := nettcp.Listen("tcp", "[::1]:5555", nil)
//	...
//	c, err := nettcp.Dial(ctx, "tcp", "[::1]:5555", nil)
//
// Writing never makes a caller wait for the peer as long as the connection has room for its frame. A lone caller
// writes with one system call on its own goroutine; callers that come while a write is under way leave their frames
// to be joined into the next one; what the kernel does not take at once is finished by a goroutine that lives as long
// as there is something to send. A reader that finds nothing polls its socket for some microseconds, where that has paid of
// late, and then blocks in the runtime's poller, so an idle connection has no goroutine, no timer and no buffer for
// writing: about 10 KiB in all.
//
// A peer that stops half-way is dropped: a frame that has begun has to end within [Options.FrameTimeout], in either
// direction, and a client has to complete its first frame within [Options.HandshakeTimeout].
package nettcp
