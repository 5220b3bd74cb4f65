// Package shm moves frames between two processes of one machine through shared memory.
//
// A [Listener] owns a unix socket, the rendezvous. [Dial] meets it there, and both ends get a [Conn]: one sealed memory
// file for each direction, holding a ring of frames, and one doorbell for each direction, which is rung only for a
// reader that has said that it sleeps. The socket stays open for as long as the Conn does: its end is the peer's
// end, whatever the peer died of. A Conn leaves nothing behind, neither in /dev/shm nor anywhere else.
//
//	ln, err := shm.Listen("/run/user/1000/echo.shm", nil)
//	conn, err := ln.Accept()                                          // the one process
//	conn, err := shm.Dial(ctx, "/run/user/1000/echo.shm", nil)        // the other
//
// A Conn is a [link.Conn]: it knows frames, not calls. The window's layout and the rendezvous are in spec.md.
//
// For everything that wants a [net.Conn], [ListenStream] and [DialStream] do the same for bytes: a [Stream] has deadlines,
// addresses and two directions that end apart, and net/http, crypto/tls or gRPC run over it as they are. What a
// connection carries is agreed in the rendezvous, so that the two kinds can't be mixed up.
//
// The peer is not trusted. Every word that it can write is loaded once, checked, and only the checked copy is used;
// payloads are copied out of the memory before anybody looks at them; positions that we own are kept in private
// memory and never read back. A peer that breaks the rules ends its own link with a [*wire.ProtocolError].
//
// Shared memory needs Linux. On other systems Listen and Dial return [ErrNotSupported].
package shm
