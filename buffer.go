package hotline

import (
	"context"
	"errors"
	"sync/atomic"

	"hotline/internal/link"
)

// ErrReleased says that a [Buffer] is used that was released or given away.
var ErrReleased = errors.New("the Buffer was released or given away before")

// Buffer is memory for a large message that goes from process to process without being copied. A method under codec raw
// may have *Buffer in the place of []byte, as argument, as result or as both, in the client, in the server or in both: it
// is the same on the wire. Over shared memory a Buffer that the sender has filled is what the receiver reads; over
// everything else, and where it is small or too many are in use, it is ordinary memory and its bytes are sent as any are.
//
//	buf := client.NewBuffer(1 << 20)              // in a method: hotline.NewBuffer(ctx, 1<<20)
//	fill(buf.Bytes())
//	reply, err := client.Transform(ctx, buf)      // buf is given away
//	if err != nil { … }
//	use(reply.Bytes())
//	reply.Release()                               // from here on its bytes are somebody else's
//
// # Who owns it
//
// A Buffer has one owner. Who makes one owns it. Passing it to a call, or returning it from a method, gives it away,
// whatever becomes of the call. A method owns its argument and may change the bytes, return it (the same memory goes back),
// pass it to another call or release it; what it still owns when it returns is released for it, so it keeps no bytes of it.
// A caller owns the Buffer that a call returned and releases it: until then its memory is not used again, and what is
// never released is lost to the link. Release of a Buffer that was given away does nothing, so that it may be deferred;
// any other use of one is ErrReleased: as an error where it is passed or returned, as a panic of Bytes, Len and Truncate.
//
// The bytes must be left alone, too, once the Buffer was released or given away. Nothing can find that out: they may
// belong to another message by then, here or in the other process. A Buffer outlives its link: what has come stays
// readable until it is released.
//
// # Whom it trusts
//
// The other process has the memory of a Buffer before its eyes as long as the Buffer lives: a peer that breaks the
// rules can change an argument while it is read, or a result. Who checks bytes and uses them afterwards takes a copy
// first, or []byte. There is shared memory for Buffers only between processes of one user (or root's); for others
// they are ordinary memory.
//
// One goroutine at a time uses a Buffer. A nil *Buffer is no bytes.
type Buffer struct {
	loan link.Loan
	gone atomic.Bool
}

// NewBuffer makes a Buffer of n bytes for the result of the method that was called with ctx. The bytes are left over from
// earlier messages: all of them are to be set, or cut off, before it is returned.
func NewBuffer(ctx context.Context, n int) *Buffer { return &Buffer{loan: link.Lend(ctx, n)} }

// NewBuffer makes a Buffer of n bytes for a call of this client. The bytes are left over from earlier messages: all of them
// are to be set, or cut off, before it is passed on.
func (c *Client) NewBuffer(n int) *Buffer { return &Buffer{loan: c.pool.hot.Load().link.Lend(n)} }

// NewBuffer is [Client.NewBuffer]. Before Connect it is ordinary memory.
func (b *ClientMethodsBase) NewBuffer(n int) *Buffer {
	if b.client == nil {
		return NewBuffer(context.Background(), n)
	}
	return b.client.NewBuffer(n)
}

// Bytes returns the bytes, which are the owner's to read and write as long as it has the Buffer.
func (b *Buffer) Bytes() []byte {
	if b == nil {
		return nil
	}
	b.check()
	return b.loan.Bytes()
}

// Len returns how many bytes there are.
func (b *Buffer) Len() int { return len(b.Bytes()) }

// Truncate cuts the Buffer to its first n bytes. It panics where it has less.
func (b *Buffer) Truncate(n int) {
	if b == nil && n == 0 {
		return
	}
	b.check()
	b.loan.Truncate(n)
}

// Release gives the memory back. It does nothing where the Buffer was released or given away before.
func (b *Buffer) Release() {
	if b != nil && b.gone.CompareAndSwap(false, true) {
		b.loan.Release()
	}
}

func (b *Buffer) check() {
	if b.gone.Load() {
		panic("hotline: " + ErrReleased.Error())
	}
}

// give ends the Buffer for its owner, and returns what it held. Whoever asks for it releases that.
func (b *Buffer) give() (link.Loan, error) {
	switch {
	case b == nil:
		return link.Loan{}, nil
	case !b.gone.CompareAndSwap(false, true):
		return link.Loan{}, ErrReleased
	}
	return b.loan, nil
}
