package transporttest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"hotline/internal/link"
)

// holding is what the service knows of the calls that hold their arguments.
type holding struct {
	letGo chan struct{} // closed by methodLetGo
	once  sync.Once
}

// InPlace implements link.Placer.
func (s *service) InPlace(method uint16) bool {
	return method == methodWait || method == methodFlip || method == methodHold
}

// flip inverts the ends of the argument where it is, and returns the same memory.
func (s *service) flip(c *link.Incoming) {
	v := c.Loan()
	flip(v.Bytes())
	c.Give(v)
}

// copyOut returns the argument in memory of the service's own.
func (s *service) copyOut(ctx context.Context, c *link.Incoming) {
	v := link.Lend(ctx, len(c.Payload))
	copy(v.Bytes(), c.Payload)
	c.Give(v)
}

// wait returns when its context ends, and with hold not before methodLetGo was called. It counts an argument that has
// changed meanwhile, all of whose bytes were the same.
func (s *service) wait(ctx context.Context, c *link.Incoming, hold bool) error {
	v := c.Loan()
	defer v.Release()
	var was byte
	if len(v.Bytes()) > 0 {
		was = v.Bytes()[0]
	}
	s.begun.Add(1)
	<-ctx.Done()
	if hold {
		<-s.letGo
	}
	if bytes.Count(v.Bytes(), []byte{was}) != len(v.Bytes()) {
		s.broken.Add(1)
	}
	s.cancelled.Add(1)
	return ctx.Err()
}

// flip inverts the bits of b at both ends.
func flip(b []byte) {
	for i := range min(len(b), 64) {
		b[i] = ^b[i]
	}
	for i := max(64, len(b)-64); i < len(b); i++ {
		b[i] = ^b[i]
	}
}

// lend makes a loan that holds data.
func (p *pairing) lend(data []byte) link.Loan {
	v := p.client.Lend(len(data))
	copy(v.Bytes(), data)
	return v
}

// callOnLoan makes a call whose argument and result are loans.
func (p *pairing) callOnLoan(ctx context.Context, method uint16, v link.Loan) (link.Loan, error) {
	defer v.Release()
	reply, err := p.client.Call(ctx, &link.Request{Method: method, Payload: v.Bytes(), Loan: v, InPlace: true})
	if err != nil {
		return link.Loan{}, err
	}
	return reply.Loan(), nil
}

// testLoans sends loans, gets loans, and both, of sizes that blocks are used for and others.
func testLoans(t *testing.T, p *pairing) {
	for _, n := range []int{0, 1, 16, 16 << 10, 16<<10 + 1, p.maxFrame + 1, 1 << 20} {
		data := pattern(n, uint64(n))
		flipped := bytes.Clone(data)
		flip(flipped)
		for method, want := range map[uint16][]byte{methodFlip: flipped, methodCopy: data, methodEcho: data} {
			got, err := p.callOnLoan(t.Context(), method, p.lend(data))
			if err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Fatalf("method %d on loan, %d bytes: got %d, %v", method, n, len(got.Bytes()), err)
			}
			got.Release()
			if got, err := p.call(t.Context(), method, data); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("method %d, %d bytes: got %d, %v", method, n, len(got), err)
			}
		}
	}
}

// testLoanCallers lets many callers have loans at once, more than an arena has room for, and keeps some.
func testLoanCallers(t *testing.T, p *pairing) {
	var wg sync.WaitGroup
	for i := range uint64(12) {
		wg.Go(func() {
			var kept []link.Loan
			for k := range uint64(4) {
				data := pattern(1<<20/int(k+1), i*8+k)
				got, err := p.callOnLoan(t.Context(), []uint16{methodFlip, methodCopy}[k%2], p.lend(data))
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
					return
				}
				kept = append(kept, got)
			}
			for k, v := range kept {
				data := pattern(1<<20/(k+1), i*8+uint64(k))
				if k%2 == 0 {
					flip(data)
				}
				if !bytes.Equal(v.Bytes(), data) {
					t.Errorf("caller %d: what call %d returned has changed", i, k)
				}
				v.Release()
			}
		})
	}
	wg.Wait()
}

// testLoanHeld: a handler whose caller has gone keeps its argument, while others get memory of theirs.
func testLoanHeld(t *testing.T, p *pairing) {
	const holders = 3
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, holders)
	for i := range holders {
		v := p.lend(bytes.Repeat([]byte{byte(i + 1)}, 1<<20))
		go func() {
			_, err := p.callOnLoan(ctx, methodHold, v)
			ended <- err
		}()
	}
	p.waitFor(t, "the handlers to begin", func(c counts) bool { return c.begun == holders })
	cancel()
	for range holders {
		if err := within(t, "a call that was cancelled", ended); !errors.Is(err, link.ErrMaybeExecuted) {
			t.Errorf("got %v, want ErrMaybeExecuted", err)
		}
	}
	for i := range 20 { // more than there is room for
		got, err := p.callOnLoan(t.Context(), methodFlip, p.lend(bytes.Repeat([]byte{byte(100 + i)}, 1<<20)))
		if err != nil {
			t.Fatal(err)
		}
		got.Release()
	}
	if _, err := p.call(t.Context(), methodLetGo, nil); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, "the handlers to return", func(c counts) bool {
		if c.broken != 0 {
			t.Fatalf("%d arguments changed under a handler", c.broken)
		}
		return c.cancelled == holders
	})
}

// testLoanOutlives: what a call has returned stays when the link ends.
func testLoanOutlives(t *testing.T, p *pairing) {
	data := pattern(1<<20, 3)
	var kept []link.Loan
	for _, method := range []uint16{methodEcho, methodCopy} {
		got, err := p.callOnLoan(t.Context(), method, p.lend(data))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, got)
	}
	own := p.lend(data)
	p.closeServer(t)
	within(t, "the link's end", p.client.Ended())
	p.client.Close()
	p.wantServerEnded(t)
	for i, v := range append(kept, own) {
		if !bytes.Equal(v.Bytes(), data) {
			t.Errorf("loan %d has changed with the link's end", i)
		}
	}
	if _, err := p.callOnLoan(t.Context(), methodFlip, own); !errors.Is(err, link.ErrNotExecuted) {
		t.Errorf("a call over a link that has ended: %v", err)
	}
	after := p.lend(data)
	if after.Shared() {
		t.Error("a link that has ended lends blocks")
	}
	after.Release()
	for i := range kept {
		kept[i].Release()
	}
}
