package link_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// script turns the bytes of a fuzzer to bytes of a peer. Bytes as they are would hardly ever be a valid frame, so most of
// them are headers whose fields are small and nearly right; the first byte chooses.
func script(data []byte) []byte {
	if len(data) == 0 || data[0] == 0xff {
		return data[min(len(data), 1):]
	}
	var out []byte
	for data = data[1:]; len(data) >= 6 && len(out) < 1<<20; data = data[6:] {
		h := wire.Header{
			Kind: wire.Kind(data[0] & 15), Flags: wire.Flags(data[0] >> 4), Method: uint16(data[1] & 7),
			ID: uint64(data[2] & 7), Length: uint32(data[3]), Total: uint32(data[3]) + uint32(data[4]&15),
			Metadata: uint32(data[5] & 3),
		}
		if data[2]&8 != 0 {
			h.ID |= 1 << link.SlotBits // the ids of a client's first calls
		}
		if data[4]&16 != 0 {
			h.Total += 1 << 20
		}
		if data[4]&32 != 0 {
			h.Length *= 300
		}
		if data[5]&4 != 0 {
			h.Timeout = uint64(data[1]) * uint64(time.Microsecond)
		}
		if data[5]&8 == 0 && h.Flags&(wire.FlagMore|wire.FlagPiece) == 0 {
			h.Total = h.Length - h.Metadata
		}
		front := oneOf(h)
		body := make([]byte, min(int(h.Length), wire.MaxFramePayload))
		if h.Kind == wire.KindError && len(body) >= 4 {
			binary.LittleEndian.PutUint32(body, uint32(len(body)-4)+uint32(data[5]>>6))
		}
		out = append(append(out, front...), body...)
	}
	return append(out, data[:min(len(data), 1000)]...) // a rest cuts a frame short
}

var scripts = [][]byte{
	{},
	{0xff, 1, 2, 3},
	append([]byte{0xff}, oneOf(wire.Header{Kind: wire.KindCall, ID: 1})...),
	append([]byte{0xff}, oneOf(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagSends, Timeout: 1})...), // can't be cancelled
	append([]byte{0xff}, frame(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagMore, Total: 1 << 30}, []byte("x"))...),
	{0, 4, 0, 1, 9, 0, 0}, // a call
	{0, 4, 1, 1, 9, 0, 0, 4 | 4<<4, 1, 2, 9, 0, 4, 7, 0, 2, 0, 0, 0}, // calls that wait, a cancel
	{0, 4 | 1<<4, 0, 1, 5, 5, 0, 4 | 2<<4, 0, 1, 5, 5, 0},            // a call in two pieces
	{0, 4 | 1<<4, 0, 1, 5, 5, 0, 7, 0, 1, 0, 0, 0, 9, 0, 3, 0, 0, 0}, // half a call, its cancel, a ping
	{0, 4, 3, 1, 0, 0, 0, 4, 2, 2, 0, 0, 0, 4, 4, 3, 0, 0, 0},        // a panic, a long reply, an error
	{0, 5, 0, 8, 9, 0, 0, 6, 4, 9, 9, 0, 0, 5, 0, 10, 0, 0, 0},       // replies
	{0, 5 | 1<<4, 0, 8, 5, 5, 0, 5 | 2<<4, 0, 8, 5, 5, 0},            // a reply in two pieces
	{0, 5 | 1<<4, 0, 8, 5, 16, 0, 5, 0, 9, 9, 0, 0, 8, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0},
}

// fuzzHandler does what handlers may do.
func fuzzHandler(ctx context.Context, c *link.Incoming) error {
	switch c.Method {
	case 1:
		<-ctx.Done()
		return ctx.Err()
	case 2:
		c.Reply = make([]byte, 20_000)
	case 3:
		panic("on purpose")
	case 4:
		return errors.New("refused")
	default:
		c.Keep(append(append(c.Buffer(), c.Metadata...), c.Payload...))
	}
	return nil
}

// FuzzServer lets a server read anything. It must not panic or hang, and it must hold no more than its limits allow.
func FuzzServer(f *testing.F) {
	for _, s := range scripts {
		f.Add(s)
	}
	sentry := new(link.Sentry)
	f.Fuzz(func(t *testing.T, data []byte) {
		conn, raw := transporttest.RawPipe(&transporttest.PipeOptions{MaxFrame: 4 << 10, Untrusted: len(data)%2 == 0})
		server, err := link.NewServer(conn, handler(fuzzHandler), &link.Options{
			MaxMessage: 1 << 20, PeerMaxMessage: 1 << 16, MaxInFlight: 3, Methods: link.NewMethods(8), Sentry: sentry,
			Buffers: &link.Buffers{Poison: true},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		answers := make(chan error, 1)
		go func() {
			for {
				if _, _, err := tryFrame(raw); err != nil {
					answers <- err
					return
				}
			}
		}()
		raw.Write(script(data))
		raw.Close()
		wait.Receive(t, "the end of the link", server.Ended())
		wait.Return(t, "the handlers", server.Wait)
		if err := wait.Receive(t, "the end of the answers", answers); !errors.Is(err, io.EOF) {
			t.Fatalf("the server sent what is no frame: %v", err)
		}
		if running, zombies, _, active := server.Counts(); zombies != 0 || active != 0 || running > 3 {
			t.Fatalf("%d running, %d cancelled, %d active in the end", running, zombies, active)
		}
	})
}

// FuzzClient lets a client read anything while it makes calls. All calls must end, and nothing may panic.
func FuzzClient(f *testing.F) {
	for _, s := range scripts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		conn, raw := transporttest.RawPipe(&transporttest.PipeOptions{MaxFrame: 4 << 10, Untrusted: len(data)%2 == 0})
		client, err := link.NewClient(conn, &link.Options{MaxMessage: 1 << 20, MaxInFlight: 4, Buffers: &link.Buffers{Poison: true}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		const calls = 5 // one more than may be in flight
		ended := make(chan error, calls)
		for i := range calls {
			go func() {
				reply, err := client.Call(ctx, &link.Request{Fresh: i%2 == 0, Payload: make([]byte, 10)})
				reply.Release()
				ended <- err
			}()
		}
		for range 4 {
			if _, _, err := tryFrame(raw); err != nil {
				t.Fatal(err)
			}
		}
		go io.Copy(io.Discard, raw)
		raw.Write(script(data))
		if len(data)%3 == 0 {
			cancel()
		} else {
			raw.Close()
		}
		for range calls {
			wait.Receive(t, "the end of a call", ended)
		}
		cancel()
		raw.Close()
		wait.Return(t, "Close", func() { client.Close() })
		if slots, free := client.Free(); slots != free {
			t.Fatalf("%d of %d slots are free", free, slots)
		}
	})
}
