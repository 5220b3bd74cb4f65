package transporttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// stream answers calls with streams.
func (s *service) stream(c *link.Incoming) error {
	switch c.Method {
	case methodEchoes:
		for {
			item, err := c.Stream.Recv()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = c.Stream.Send(item)
			}
			if err != nil {
				return err
			}
		}
	case methodGather:
		n := uint64(0)
		for ; ; n++ {
			if _, err := c.Stream.Recv(); err == io.EOF {
				break
			} else if err != nil {
				return err
			}
		}
		c.Keep(binary.LittleEndian.AppendUint64(c.Buffer(), n))
		return nil
	case methodFlood:
		s.begun.Add(1)
		defer s.cancelled.Add(1)
		for item := pattern(3000, 1); ; {
			if err := c.Stream.Send(item); err != nil {
				return err
			}
		}
	}
	return wire.Errorf(wire.CodeNoMethod, "no method %d", c.Method)
}

// open begins a call with streams.
func (p *pairing) open(t *testing.T, ctx context.Context, method uint16, sends, takes bool) *link.ClientStream {
	t.Helper()
	s, err := p.client.Open(ctx, &link.Request{Method: method, Fresh: true}, sends, takes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// flood sends items until it can't.
func flood(s *link.ClientStream) error {
	for item := pattern(3000, 1); ; {
		if err := s.Send(item); err != nil {
			return err
		}
	}
}

// testStreams sends items of many sizes there, and there and back, by several callers at once.
func testStreams(t *testing.T, p *pairing) {
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			if err := p.echoItems(t.Context(), 50*(i+1), 40_000>>i); err != nil {
				t.Errorf("there and back: %v", err)
			}
			s, err := p.client.Open(t.Context(), &link.Request{Method: methodGather, Fresh: true}, true, false)
			if err != nil {
				t.Error(err)
				return
			}
			for n := range 1000 {
				if err := s.Send(pattern(n, 1)); err != nil {
					t.Error(err)
				}
			}
			reply, err := s.Finish()
			if err != nil || binary.LittleEndian.Uint64(reply.Body) != 1000 {
				t.Errorf("there: % x, %v", reply.Body, err)
			}
		})
	}
	wg.Wait()
	if err := p.echoItems(t.Context(), 3, 3<<20); err != nil {
		t.Errorf("large items: %v", err)
	}
}

// echoItems sends n items of up to a size and wants them back.
func (p *pairing) echoItems(ctx context.Context, n, size int) error {
	s, err := p.client.Open(ctx, &link.Request{Method: methodEchoes}, true, true)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			if err := s.Send(pattern(size*(i+1)/n, uint64(i))); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.CloseSend(nil)
	}()
	for i := range n {
		item, err := s.Recv()
		if err != nil || !bytes.Equal(item, pattern(size*(i+1)/n, uint64(i))) {
			s.Cancel()
			return errors.Join(fmt.Errorf("item %d of %d bytes came as %d bytes", i, size*(i+1)/n, len(item)), err, <-sent)
		}
	}
	_, last := s.Recv()
	_, err = s.Finish()
	if last != io.EOF {
		err = errors.Join(err, fmt.Errorf("behind the last item: %w", last))
	}
	return errors.Join(err, <-sent)
}

// testStreamsLeft leaves streams in the middle, and wants their handlers to end and the link to live on.
func testStreamsLeft(t *testing.T, p *pairing) {
	const streams = 20
	for i := range streams {
		ctx, cancel := context.WithCancel(t.Context())
		s := p.open(t, ctx, methodFlood, false, true)
		for range i * i {
			if _, err := s.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		if i%2 == 0 {
			s.Cancel()
			cancel()
			continue
		}
		cancel()
		for {
			if _, err := s.Recv(); err != nil {
				break
			}
		}
		if _, err := s.Finish(); !errors.Is(err, context.Canceled) || !errors.Is(err, link.ErrMaybeExecuted) {
			t.Errorf("got %v, want context.Canceled and ErrMaybeExecuted", err)
		}
	}
	p.waitFor(t, "the handlers' end", func(c counts) bool { return c.cancelled == c.begun })
	if err := p.client.Err(); err != nil {
		t.Errorf("the link ended: %v", err)
	}
}

// testStoppedConsumer stops receiving, and wants other calls to be answered and the rest to come when it goes on.
func testStoppedConsumer(t *testing.T, p *pairing) {
	s := p.open(t, t.Context(), methodFlood, false, true)
	for round := range 3 {
		for range 1000 {
			if item, err := s.Recv(); err != nil || len(item) != 3000 {
				t.Fatalf("%d bytes, %v", len(item), err)
			}
		}
		for range 200 {
			if _, err := p.call(t.Context(), methodEcho, []byte("others")); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
	}
	s.Cancel()
	p.waitFor(t, "the handler's end", func(c counts) bool { return c.cancelled == c.begun })
}
