package hotline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// attempt is the present attempt at a call with streams. A call that ended without having been executed, because its instance
// went away or drains, is made again at another one, as calls without streams are. What this side has streamed until then is
// kept for that: as much as a server may be sent before it gives the first credit, which it does when the method has been
// entered. The goroutine that receives decides, and has v; who sends, perhaps on another goroutine, follows it.
type attempt struct {
	v        *link.ClientStream
	request  request // that it was begun by
	entered  bool    // something has come of the call: it is not made again
	finished bool    // v has been finished, with reply and failed
	reply    link.Reply
	failed   error
	maybe    error     // of an attempt before that may have been executed
	limit    time.Time // for other attempts where the context has no deadline; zero while there were none
	began    time.Time // when v was, where it is another attempt

	mu      sync.Mutex
	turn    *sync.Cond         // of mu, made with next: something below has changed
	next    *link.ClientStream // under mu: what is sent to
	sending bool               // under mu: something is being sent to next
	over    bool               // under mu: there will be no other attempt
	kept    []byte             // under mu: what was sent, while !over: bytes, or items with their lengths before them
	closed  bool               // under mu: and then the end
	why     error              // under mu: of the end
}

// startLocked makes v what is sent to.
func (a *attempt) startLocked() {
	if a.turn == nil {
		a.turn = sync.NewCond(&a.mu)
	}
	if a.next == nil {
		a.next = a.v
	}
}

// accept notes that something has come: there will be no other attempt.
func (c *streamCall) accept() {
	if !c.entered {
		c.entered = true
		c.settle()
	}
}

// settle lets nobody wait for another attempt.
func (c *streamCall) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startLocked()
	c.over, c.kept = true, nil
	c.turn.Broadcast()
}

// finish ends the call, if repeat has not, and returns its outcome.
func (c *streamCall) finish() (link.Reply, error) {
	if !c.finished {
		c.reply, c.failed = c.v.Finish()
		c.finished = true
		c.settle()
	}
	return c.reply, overall(c.maybe, c.failed)
}

// cancel gives the call up.
func (c *streamCall) cancel() {
	if !c.finished {
		c.v.Cancel()
		c.finished = true
	}
	c.settle()
}

// repeat makes the call again if it has ended, by err as its stream says, in a way that allows it. What has been sent is
// sent again then. The goroutine that receives calls it.
func (c *streamCall) repeat(err error) bool {
	if c.entered || c.finished || ownFault(err) {
		return false
	}
	c.reply, c.failed = c.v.Finish() // who is sending gets an error, and waits for the decision
	c.finished = true
	if c.limit.IsZero() {
		c.limit = time.Now().Add(c.client.dialer.Timeout)
	} else {
		c.limit = c.limit.Add(time.Since(c.began)) // it is for the time without a link
	}
	if c.failed == nil || !again(c.failed, c.tags.idempotent) || c.request.Ends.IsZero() && tooLate(c.ctx, c.limit) || !c.reopen() {
		c.settle()
		return false
	}
	c.finished = false
	return true
}

// reopen makes another attempt.
func (c *streamCall) reopen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startLocked()
	for c.sending {
		c.turn.Wait()
	}
	if c.over {
		return false
	}
	if errors.Is(c.failed, ErrMaybeExecuted) {
		c.maybe = c.failed
	}
	v, err := c.openStream(c.ctx, c.client, &c.request, c.failed)
	if err != nil {
		c.failed = err
		return false
	}
	c.v, c.next, c.began = v, v, time.Now()
	if err := c.resendLocked(v); err != nil {
		c.failed = fmt.Errorf("%w: %w", ErrMaybeExecuted, err)
		v.Cancel()
		return false
	}
	if c.closed {
		v.CloseSend(c.why)
	}
	c.turn.Broadcast()
	return true
}

// resendLocked sends what was kept. There is credit for as much, so that it waits for nobody; when the call ends meanwhile v says
// why. It returns an error for what this server does not take, though another one may have.
func (c *streamCall) resendLocked(v *link.ClientStream) error {
	for rest := c.kept; len(rest) > 0; {
		begin, end := 0, len(rest)
		if c.sends.elem != nil {
			n, size := binary.Uvarint(rest)
			begin, end = size, size+int(n)
		}
		var large *link.TooLargeError
		if err := c.put(v, rest[begin:end]); errors.As(err, &large) {
			return err
		}
		rest = rest[end:]
	}
	return nil
}

// put sends an item, or bytes.
func (c *streamCall) put(v *link.ClientStream, b []byte) error {
	if c.sends.elem != nil {
		return v.Send(b)
	}
	_, err := v.Write(b)
	return err
}

// Send implements sender.
func (c *streamCall) Send(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startLocked()
	for {
		v := c.next
		err := c.apart(func() error { return c.put(v, b) })
		if err == nil {
			c.keepLocked(b)
			return nil
		}
		if ownFault(err) {
			return err
		}
		if c.sig.takes == nil { // nobody but this goroutine decides
			c.mu.Unlock()
			c.repeat(err)
			c.mu.Lock()
		}
		for c.next == v && !c.over {
			c.turn.Wait()
		}
		if c.next == v {
			return err
		}
	}
}

// Write implements sender.
func (c *streamCall) Write(b []byte) (int, error) {
	if err := c.Send(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Batch implements sender.
func (c *streamCall) Batch() int {
	c.mu.Lock()
	c.startLocked()
	v := c.next
	c.mu.Unlock()
	return v.Batch()
}

// closeSend sends the end.
func (c *streamCall) closeSend(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startLocked()
	c.closed, c.why = true, why
	v := c.next
	_ = c.apart(func() error { return v.CloseSend(why) }) // what can't be sent any more the call's end explains
}

// apart sends something without the lock.
func (c *streamCall) apart(send func() error) error {
	c.sending = true
	c.mu.Unlock()
	err := send()
	c.mu.Lock()
	c.sending = false
	c.turn.Broadcast()
	return err
}

// keepLocked keeps what was sent, for another attempt, as it travels: as much as a server may be sent before its first credit.
// Mostly more means that the method has been entered; else there was more than another server would take at once.
func (c *streamCall) keepLocked(b []byte) {
	if c.over {
		return
	}
	if c.sends.elem != nil {
		c.kept = binary.AppendUvarint(c.kept, uint64(len(b)))
	}
	if c.kept = append(c.kept, b...); len(c.kept) > wire.StreamWindow {
		c.over, c.kept = true, nil
	}
}
