package link_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// mostHeld is what a peer that breaks no rule may make one end of a link hold, with the default limits, beside whole messages.
const mostHeld = 64 << 20

// checkHeld wants that no more is held than may be, in addition to what was before.
func checkHeld(t *testing.T, before int64) {
	t.Helper()
	held := heap() - before
	t.Logf("%.1f MiB are held, %.1f before", float64(held)/(1<<20), float64(before)/(1<<20))
	if held > mostHeld {
		t.Errorf("%d MiB are held", held>>20)
	}
}

// Replies that are announced, and of which little comes, make a client hold little, however many calls it makes, at once or one by
// one. When they have come, or their calls were given up, others may be announced.
func TestAnnouncedReplies(t *testing.T) {
	client, raw := rawServer(t, new(link.Options), &transporttest.PipeOptions{Untrusted: true})
	before := heap()
	ctx, cancel := context.WithCancel(t.Context())
	announce := func(total uint32, part string) uint64 {
		h, _ := readFrame(t, raw)
		raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: h.ID, Flags: wire.FlagMore, Total: total}, []byte(part)))
		return h.ID
	}
	first := start(t.Context(), client, 0, nil)
	id := announce(5, "he")
	wait.Until(t, "room for the rest", func() bool { return client.Ahead() == 3 })
	raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: id, Flags: wire.FlagPiece, Total: 5}, []byte("llo")))
	if got := wait.Receive(t, "the first reply", first); got.err != nil || string(got.body) != "hello" {
		t.Fatalf("%q, %v", got.body, got.err)
	}
	if n := client.Ahead(); n != 0 {
		t.Errorf("room for %d bytes that have come", n)
	}
	var ended []<-chan outcome
	for n := range link.DefaultMaxInFlight {
		ended = append(ended, start(ctx, client, 0, nil))
		if n < link.DefaultMaxInFlight/2 {
			announce(100<<20, "x")
		}
	}
	for range link.DefaultMaxInFlight / 2 {
		announce(100<<20, "x")
	}
	raw.Write(frame(wire.Header{Kind: wire.KindGoaway}, nil))
	wait.Until(t, "all of that read", client.Draining)
	checkHeld(t, before)
	cancel()
	for _, c := range ended {
		if got := wait.Receive(t, "the end of a call", c); !errors.Is(got.err, context.Canceled) {
			t.Fatal(got.err)
		}
	}
	if n := client.Ahead(); n != 0 {
		t.Errorf("room for %d bytes of calls that were given up", n)
	}
}

// A server that fills all streams of a client that reads a little of each makes it hold no more than the allowance.
func TestFilledStreams(t *testing.T) {
	client, raw := rawServer(t, new(link.Options), nil)
	before := heap()
	heads := make(chan wire.Header, 8*link.DefaultMaxInFlight) // of the client's frames
	go func() {
		defer close(heads)
		for {
			h, _, err := tryFrame(raw)
			if err != nil {
				return
			}
			heads <- h
		}
	}()
	fill := func(id uint64, n int) {
		for b := make([]byte, 9000); n > 0; n -= len(b) {
			raw.Write(frame(wire.Header{Kind: wire.KindItem, ID: id}, b[:min(n, len(b))]))
		}
	}
	read := make(chan error, link.DefaultMaxInFlight)
	for range link.DefaultMaxInFlight {
		s := open(t, t.Context(), client, 0, nil, false, true)
		go func() {
			_, err := io.CopyN(io.Discard, &s.Stream, wire.StreamWindow+1)
			read <- err
		}()
	}
	credited := make(map[uint64]bool)
	for len(credited) < link.DefaultMaxInFlight || len(heads) > 0 {
		switch h := wait.Receive(t, "a frame", heads); h.Kind {
		case wire.KindCall:
			fill(h.ID, wire.StreamWindow)
		case wire.KindCredit:
			fill(h.ID, int(h.Timeout))
			credited[h.ID] = true
		default:
			t.Fatalf("the client sent %+v", h)
		}
	}
	for range link.DefaultMaxInFlight {
		if err := wait.Receive(t, "a reader", read); err != nil {
			t.Fatal(err)
		}
	}
	raw.Write(frame(wire.Header{Kind: wire.KindGoaway}, nil))
	go client.Ping(t.Context()) // somebody reads
	wait.Until(t, "all of that read", client.Draining)
	checkHeld(t, before)
}
