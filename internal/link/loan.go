package link

import (
	"context"

	"hotline/internal/wire"
)

// Loan is memory for one message: a block that both sides of a link see, or ordinary memory, whichever there was. It
// belongs to one goroutine at a time, which releases it once or gives it to a call or a reply. The zero Loan is no
// message.
type Loan struct {
	lent    *buffer
	buffers *Buffers
}

// lend makes a loan of n bytes, whose contents are left over from others.
func lend(lender Lender, buffers *Buffers, n int) Loan {
	if lender != nil {
		if b := lender.Lend(n); b != nil {
			return Loan{&buffer{b: b.Bytes(), block: b}, buffers}
		}
	}
	v := buffers.get(n)
	v.b = v.b[:n]
	return Loan{v, buffers}
}

// Lend makes a loan of n bytes for a request of this link. Its contents are left over from others.
func (l *Client) Lend(n int) Loan { return lend(l.in.lender, l.buffers, n) }

// Lend makes a loan of n bytes for the reply of the call whose handler has ctx, or one derived from it. Its contents are
// left over from others. With any other context it is ordinary memory.
func Lend(ctx context.Context, n int) Loan {
	if s, ok := ctx.Value(serverKey{}).(*Server); ok {
		return lend(s.in.lender, s.opt.Buffers, n)
	}
	return Loan{&buffer{b: make([]byte, n)}, nil}
}

// serverKey is what a handler's context keeps its link under.
type serverKey struct{}

// Bytes returns the message.
func (v *Loan) Bytes() []byte {
	if v.lent == nil {
		return nil
	}
	return v.lent.b
}

// Truncate cuts the message to its first n bytes. It panics where it has less.
func (v *Loan) Truncate(n int) {
	if v.lent != nil || n != 0 {
		v.lent.b = v.lent.b[:n:n]
	}
}

// Shared reports whether the message lies where the peer sees it, and may have changed it once it was sent.
func (v *Loan) Shared() bool { return v.lent != nil && v.lent.block != nil }

// Release gives the memory back. v is the zero Loan afterwards.
func (v *Loan) Release() {
	if v.lent != nil && v.buffers != nil {
		v.buffers.put(v.lent)
	}
	*v = Loan{}
}

// blockOn returns the block that a message of n bytes lies in, if it can be sent by that over c.
func (v *Loan) blockOn(c Conn, n int) Block {
	if !v.Shared() || n == 0 || v.lent.block.Conn() != c {
		return nil
	}
	return v.lent.block
}

// Loan takes the reply's memory over: it is released in place of the reply.
func (r *Reply) Loan() Loan {
	v := Loan{r.lent, r.buffers}
	if v.lent == nil {
		v.lent = new(buffer)
	}
	v.lent.b = r.Body
	*r = Reply{}
	return v
}

// Loan takes the memory of the arguments over, for the handler to release or to give on.
func (c *Incoming) Loan() Loan {
	v := Loan{c.request.lent, c.buffers}
	if v.lent == nil {
		v.lent = new(buffer)
	}
	v.lent.b = c.Payload
	c.request.lent, c.Payload = nil, nil
	return v
}

// Give makes a loan the reply. It is released when the reply was sent.
func (c *Incoming) Give(v Loan) {
	c.given.Release()
	c.given = v
	c.Reply = v.Bytes()
}

// sendBlock writes a message that is the first n bytes of a block, as send does for others.
func sendBlock(c Conn, b Block, stop Stop, h *wire.Header, metadata []byte, n int) (begun bool, err error) {
	if err := checkMetadata(c, metadata); err != nil {
		return false, err
	}
	err = b.Send(stop, h, metadata, n)
	return err == nil, err
}
