package link

import (
	"errors"
	"time"

	"hotline/internal/wire"
)

// ErrInterrupted is returned by a [Conn] whose wait was ended by [Conn.Interrupt] or by a [Stop]. The connection
// is as good as before.
var ErrInterrupted = errors.New("wait interrupted")

// Conn moves frames between two peers. It knows nothing of calls: ids, pieces, deadlines and limits are the
// engine's.
//
// Reading belongs to one goroutine at a time (the engine passes the role on): Ready, Pending, Next and Read are never
// called at once. Write, Interrupt and Close may be called by any goroutine at any time.
//
// A connection fails as a whole: after any error but ErrInterrupted every later call fails with the same cause. There is
// one exception: when Write fails because the peer has gone, Next first returns the frames that it had sent, and then its
// end.
type Conn interface {
	// Ready reports whether the next frame can be taken without a sleep, all of it, or Next fails at once: a caller
	// whose context may end takes care of that only when Ready says no. It never sleeps; a transport that
	// knows how may spin for its budget first.
	Ready() bool

	// Pending reports whether the next frame is there, all of it, as Ready does, but never spins: a reader with work
	// for others asks whether there is more before it turns to that. It may say no where a look would cost a system call.
	Pending() bool

	// Next waits for the next frame and returns its header, checked. The engine takes all of its Length bytes
	// with Read before it calls Next again. It returns io.EOF when the peer closed between two frames,
	// ErrInterrupted after Interrupt, in both cases without having lost a byte.
	Next() (wire.Header, error)

	// Read copies at least one byte of the present frame's payload into p, at most len(p), and never past the
	// frame's end. A p that is empty returns 0, nil. It may return ErrInterrupted, and is then called again.
	Read(p []byte) (int, error)

	// Interrupt makes a Next or Read that sleeps return ErrInterrupted, or, where none sleeps, the next one
	// that would. One interrupt ends one wait at most.
	Interrupt()

	// Write sends one frame: the header, then metadata, then payload. h.Length is len(metadata) + len(payload),
	// at most MaxFrame in all. All three belong to the caller again when Write returns. Frames of concurrent
	// writers are never mixed, and those of one goroutine keep their order. Write may return before the bytes
	// have left the process; a failure after that ends the connection. An error says that the peer can't have got the
	// whole frame. When Write would have to wait for the peer to make room it gives up as stop says, with
	// ErrInterrupted and nothing of the frame sent.
	Write(stop Stop, h *wire.Header, metadata, payload []byte) error

	// MaxFrame is the most payload bytes a frame written here may have, at least 4 KiB, at most
	// wire.MaxFramePayload.
	MaxFrame() int

	// Close ends the connection: waits end with an error and the peer learns of it. What Write accepted before
	// is still sent if the peer takes it within a short time. Close is idempotent, and returns when everything
	// that the connection started has ended.
	Close() error

	// Trusted reports whether the peer is on this machine and of this user (or root): shared memory and unix sockets
	// whose peer credentials say so. TCP is never trusted.
	Trusted() bool

	// String says what the connection is, for errors and logs: "shm:///run/…", "tcp://[::1]:5555".
	String() string
}

// Witness is a Conn that knows what its peer has never taken.
type Witness interface {
	Conn

	// Untaken calls each with the header of every frame that was written here and that the peer had not taken when it
	// went. It is asked once Next has returned io.EOF and before Close.
	Untaken(each func(wire.Header))
}

// Lender is a Conn that can pass messages on without a copy, in blocks of memory that both peers see. Next returns a frame
// with a block as if it had carried the message itself, with the flag FlagBlock and the Length of both together: the
// engine reads its metadata, and then either the message as of any frame, or takes the block.
type Lender interface {
	Conn

	// Lend gives out a block of n bytes, whose contents are left over from others, or returns nil: for want of room, or
	// because n bytes are copied as quickly. Any goroutine may call it at any time.
	Lend(n int) Block

	// Take makes the block of the present frame the caller's, when all of it and nothing else is left to be read. It
	// is a reader's, as Read is. It returns nil when the connection has ended.
	Take() Block
}

// Block is a handle on a block of a Lender. One goroutine at a time uses it. It outlives its connection, whose memory
// stays as long as a block of it is held.
type Block interface {
	// Conn is the connection that the block belongs to.
	Conn() Conn

	// Ours reports whether Lend made the block here. A block that Take returned may be the peer's, or ours that has
	// come back.
	Ours() bool

	// Bytes returns the memory, the same until Free. A peer that breaks the rules may write to it at any time.
	Bytes() []byte

	// Send is Write for a message that is the first n bytes of the block, at least one. After it the block is the
	// peer's. If it was ours the peer keeps it as long as it likes, but nobody else gets it before Free, so that the
	// bytes can be sent by another way if the peer has refused them. An error says that the peer has not got it.
	Send(stop Stop, h *wire.Header, metadata []byte, n int) error

	// Free gives the handle up: the block can be given out again once neither side has it. It is called once.
	Free()
}

// Stop says when a wait is to be given up. The zero Stop waits for ever.
type Stop struct {
	Done     <-chan struct{} // closed when the caller's context ends; nil for never
	Deadline time.Time       // with a monotonic reading; zero for none
}
