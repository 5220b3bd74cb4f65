package link_test

import (
	"context"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/race"
)

// A raw call of 16 bytes allocates its reply, if that is to be the caller's own, and nothing else on either side: both
// are in this process, and so is the transport, which allocates nothing.
func TestAllocationsOfACall(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		c.Reply = c.Payload
		if c.Method == 1 {
			c.ReplyMetadata = c.Payload
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	payload, metadata := make([]byte, 16), make([]byte, 100)
	tests := []struct {
		name    string
		ctx     context.Context
		request link.Request
		most    float64
	}{
		{"plain", context.Background(), link.Request{Payload: payload}, 0},
		{"fresh", context.Background(), link.Request{Payload: payload, Fresh: true}, 1},
		{"empty", context.Background(), link.Request{Fresh: true}, 0},
		{"metadata", context.Background(), link.Request{Payload: payload, Metadata: metadata}, 0},
		{"metadata of the reply", context.Background(), link.Request{Method: 1, Payload: payload}, 1}, // the caller's
		{"1000 bytes", context.Background(), link.Request{Payload: make([]byte, 1000)}, 0},
		{"timeout", context.Background(), link.Request{Payload: payload, Timeout: time.Hour}, 1}, // the handler's context
		{"context", ctx, link.Request{Payload: payload}, 6},                                      // and watching the caller's
	}
	for _, test := range tests {
		one := func() {
			reply, err := p.client.Call(test.ctx, &test.request)
			if err != nil {
				t.Fatal(err)
			}
			reply.Release()
		}
		for range 100 { // slots, buffers and timers are made once
			one()
		}
		if n := testing.AllocsPerRun(1000, one); n > test.most {
			t.Errorf("%s: %v allocations a call, at most %v are allowed", test.name, n, test.most)
		}
	}
}
