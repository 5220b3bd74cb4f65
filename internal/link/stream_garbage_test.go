package link_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// opening returns the call that opens streams.
func opening(id uint64, method uint16, flags wire.Flags) []byte {
	return frame(wire.Header{Kind: wire.KindCall, ID: id, Method: method, Flags: flags | wire.FlagCancellable}, nil)
}

func item(id uint64, n int) []byte {
	return frame(wire.Header{Kind: wire.KindItem, ID: id}, make([]byte, n))
}

func credit(id, n uint64) []byte {
	return oneOf(wire.Header{Kind: wire.KindCredit, ID: id, Timeout: n})
}

func endOf(id uint64) []byte { return oneOf(wire.Header{Kind: wire.KindEnd, ID: id}) }

// What a client must not send on its streams ends its link, with an error that says what it was; what comes late does not.
func TestStreamGarbageToServer(t *testing.T) {
	const sends, takes = wire.FlagSends, wire.FlagTakes
	both := opening(1, methodIgnore, sends|takes)
	tests := []struct {
		name string
		send [][]byte
		text string // a pattern of the error; empty where the link lives on
	}{
		{"past its credit at once", [][]byte{both, item(1, wire.StreamWindow+1)}, "32769 bytes of a stream that had credit for 32768"},
		{"past its credit in the end", [][]byte{both, item(1, wire.StreamWindow), item(1, 1)}, "1 bytes of a stream that had credit for 0"},
		{"past the credit of one that nobody receives", [][]byte{opening(1, methodAtOnce, sends), item(1, wire.StreamWindow), item(1, 1)}, "had credit for 0"},
		{"an item after the end", [][]byte{both, endOf(1), item(1, 1)}, "after the end"},
		{"an item after the end of a call that has returned", [][]byte{opening(1, methodAtOnce, sends), endOf(1), item(1, 1)}, "no open stream|after the end"},
		{"a second end", [][]byte{both, endOf(1), endOf(1)}, "does not have"},
		{"an item after the cancel", [][]byte{both, oneOf(wire.Header{Kind: wire.KindCancel, ID: 1}), item(1, 1)}, "no open stream"},
		{"an item of a call that was never made", [][]byte{item(77, 1)}, "no open stream"},
		{"an end of a call that was never made", [][]byte{endOf(77)}, "no open stream"},
		{"an item of a call without streams", [][]byte{opening(1, methodIgnore, 0), item(1, 1)}, "no open stream"},
		{"an item of a call that only takes", [][]byte{opening(1, methodIgnore, takes), item(1, 1)}, "an item after the end of its stream"},
		{"an end of a call that only takes", [][]byte{opening(1, methodIgnore, takes), endOf(1)}, "does not have"},
		{"a credit for a call that takes nothing", [][]byte{opening(1, methodIgnore, sends), credit(1, 1)}, "takes nothing"},
		{"a credit that overflows", [][]byte{both, credit(1, 1<<31)}, "a credit of 2147483648 bytes"},
		{"a credit that overflows by far", [][]byte{both, credit(1, 1<<64-1)}, "a credit of 18446744073709551615 bytes"},
		{"credits that overflow", [][]byte{both, credit(1, 1<<31-wire.StreamWindow-1), credit(1, 1)}, "a credit of 1 bytes for a stream that has 2147483647"},
		{"a credit of nothing", [][]byte{both, credit(1, 0)}, "a credit of 0 bytes"},
		{"a credit with a payload", [][]byte{both, frame(wire.Header{Kind: wire.KindCredit, ID: 1, Timeout: 5}, []byte("x"))}, "with a payload"},
		{"an empty item", [][]byte{both, item(1, 0)}, "empty item"},
		{"an item in pieces", [][]byte{both, frame(wire.Header{Kind: wire.KindItem, ID: 1, Flags: wire.FlagMore, Total: 9}, []byte("x"))}, "with flags"},
		{"an item with metadata", [][]byte{both, frame(wire.Header{Kind: wire.KindItem, ID: 1, Metadata: 1}, []byte("x"))}, "metadata"},
		{"an end with words and without a code", [][]byte{both, frame(wire.Header{Kind: wire.KindEnd, ID: 1}, []byte("x"))}, "without a code"},
		{"an end with a code and without words", [][]byte{both, oneOf(wire.Header{Kind: wire.KindEnd, ID: 1, Method: 16})}, "without words"},
		{"an end whose words are none", [][]byte{both, frame(wire.Header{Kind: wire.KindEnd, ID: 1, Method: 16}, []byte("xxxxxx"))}, "a string of"},
		{"a stop", [][]byte{both, oneOf(wire.Header{Kind: wire.KindStop, ID: 1})}, "sent a stop"},
		{"streams that can't be cancelled", [][]byte{frame(wire.Header{Kind: wire.KindCall, ID: 1, Method: methodIgnore, Flags: sends}, nil)}, "can't be cancelled"},
		{"a ping with streams", [][]byte{frame(wire.Header{Kind: wire.KindPing, ID: 1, Flags: sends | wire.FlagCancellable}, nil)}, "a ping with streams"},
		{"a second call with the id of an open stream", [][]byte{both, both}, "second call"},
		{"a second call with the id of a stream whose call has returned",
			[][]byte{opening(1, methodAtOnce, sends), opening(1, methodAtOnce, sends)}, "second call"},

		{"a credit for a call that was never made", [][]byte{credit(77, 1)}, ""},
		{"items of a call that has returned", [][]byte{opening(1, methodAtOnce, sends), item(1, 1), item(1, 1000), endOf(1)}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStreamer()
			server, raw := rawClient(t, s.handle, nil, nil)
			go func() {
				for _, b := range test.send {
					raw.Write(b)
				}
				if test.text == "" {
					raw.Write(frame(wire.Header{Kind: wire.KindPing, ID: 99}, nil))
				}
			}()
			if test.text != "" {
				wait.Receive(t, "the end of the link", server.Ended())
				var wrong *wire.ProtocolError
				if err := server.Err(); !errors.As(err, &wrong) || !regexp.MustCompile(test.text).MatchString(err.Error()) {
					t.Errorf("got %v", err)
				}
				return
			}
			for {
				if h, _ := readFrame(t, raw); h.Kind == wire.KindPong {
					break
				}
			}
			if err := server.Err(); err != nil {
				t.Errorf("the link ended: %v", err)
			}
			wait.Until(t, "no stream left", func() bool { return server.Streams() == 0 })
		})
	}
}

// What a server must not send on streams ends the link, and the call with it.
func TestStreamGarbageToClient(t *testing.T) {
	tests := []struct {
		name         string
		sends, takes bool
		send         func(id uint64) []byte
		text         string // of the error; empty where the link lives on
	}{
		{"past its credit", false, true, func(id uint64) []byte { return append(item(id, wire.StreamWindow), item(id, 1)...) }, "had credit for 0"},
		{"an item of a call without streams", true, false, func(id uint64) []byte { return item(id, 1) }, "an item after the end of its stream"},
		{"an item of a call that was never made", false, true, func(id uint64) []byte { return item(id+1<<link.SlotBits, 1) }, "never made"},
		{"an item of a slot that is not there", false, true, func(id uint64) []byte { return item(id+1, 1) }, "never made"},
		{"a credit for a call that was never made", true, true, func(id uint64) []byte { return credit(id+1, 1) }, "never made"},
		{"a credit for a call that sends nothing", false, true, func(id uint64) []byte { return credit(id, 1) }, "no such stream"},
		{"a stop of a call that sends nothing", false, true, func(id uint64) []byte { return oneOf(wire.Header{Kind: wire.KindStop, ID: id}) }, "no such stream"},
		{"a credit that overflows", true, false, func(id uint64) []byte { return credit(id, 1<<31) }, "a credit of 2147483648 bytes"},
		{"a credit of nothing", true, false, func(id uint64) []byte { return credit(id, 0) }, "a credit of 0 bytes"},
		{"an empty item", false, true, func(id uint64) []byte { return item(id, 0) }, "empty item"},
		{"an end", true, true, endOf, "sent a end"},
		{"an item behind the reply", true, true, func(id uint64) []byte {
			return append(frame(wire.Header{Kind: wire.KindReply, ID: id}, nil), item(id, 1)...)
		}, "after the end of call"},
		{"an item in the middle of the reply", true, true, func(id uint64) []byte {
			return append(frame(wire.Header{Kind: wire.KindReply, ID: id, Flags: wire.FlagMore, Total: 9}, []byte("x")), item(id, 1)...)
		}, "after the end of call"},
		{"a stop twice", true, false, func(id uint64) []byte {
			return bytes.Repeat(oneOf(wire.Header{Kind: wire.KindStop, ID: id}), 2)
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, raw := rawServer(t, nil, nil)
			s := open(t, t.Context(), l, 0, nil, test.sends, test.takes)
			defer s.Cancel()
			h, _ := readFrame(t, raw)
			go raw.Write(test.send(h.ID)) // it may wait until somebody reads
			if test.text == "" {
				wait.Until(t, "a producer that is stopped", func() bool { return errors.Is(s.Send([]byte("x")), link.ErrStopped) })
				if err := l.Err(); err != nil {
					t.Errorf("the link ended: %v", err)
				}
				return
			}
			wait.Receive(t, "the end of the link", l.Ended()) // nobody but the watcher reads
			var wrong *wire.ProtocolError
			if err := l.Err(); !errors.As(err, &wrong) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What comes of a stream that was given up is dropped.
func TestLateItemsAreDropped(t *testing.T) {
	l, raw := rawServer(t, nil, nil)
	s := open(t, t.Context(), l, 0, nil, true, true)
	h, _ := readFrame(t, raw)
	late := append(item(h.ID, 100), credit(h.ID, 1000)...)
	raw.Write(late[:50]) // the reader is in the middle of it when the call is given up
	received := make(chan error, 1)
	go func() {
		_, err := s.Recv()
		received <- err
	}()
	wait.Until(t, "a reader", func() bool { _, reading := l.Parked(); return reading })
	go s.Cancel()
	if err := wait.Receive(t, "the consumer", received); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if c, _ := readFrame(t, raw); c.Kind != wire.KindCancel || c.ID != h.ID {
		t.Fatalf("instead of a cancel came %+v", c)
	}
	raw.Write(late[50:])
	next := start(t.Context(), l, 0, nil)
	k, _ := readFrame(t, raw)
	raw.Write(append(late, frame(wire.Header{Kind: wire.KindReply, ID: k.ID}, []byte("yours"))...))
	if o := wait.Receive(t, "the next call", next); o.err != nil || string(o.body) != "yours" {
		t.Errorf("%q, %v", o.body, o.err)
	}
}

// A client that opens as many streams as it may, and fills each as far as its credit goes with frames of an awkward
// size, makes the server hold little, whether their methods receive or not. One that never ends them is sent away.
func TestStreamMemoryIsBounded(t *testing.T) {
	const most = 64 << 20
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(most))
	for _, method := range []uint16{methodIgnore, methodAtOnce} {
		s := newStreamer()
		server, raw := rawClient(t, s.handle, nil, nil)
		go func() {
			for {
				if _, _, err := tryFrame(raw); err != nil {
					return
				}
			}
		}()
		before := heap()
		for id := uint64(1); id <= link.DefaultMaxInFlight; id++ {
			raw.Write(opening(id, method, wire.FlagSends|wire.FlagTakes))
			for range 3 {
				raw.Write(item(id, 8<<10+1))
			}
			for range 100 {
				raw.Write(item(id, 1))
			}
		}
		wait.Until(t, "every stream", func() bool { return server.Streams() == link.DefaultMaxInFlight })
		if method == methodIgnore {
			wait.Until(t, "every handler", func() bool { return s.entered.Load() == link.DefaultMaxInFlight })
		}
		if held := heap() - before; held > most {
			t.Errorf("method %d: %d MiB are held, at most %d are allowed", method, held>>20, most>>20)
		}
		if method == methodAtOnce {
			for id := uint64(link.DefaultMaxInFlight + 1); id <= 5*link.DefaultMaxInFlight; id++ {
				if _, err := raw.Write(opening(id, method, wire.FlagSends)); err != nil {
					break
				}
			}
			wait.Receive(t, "the end of the link", server.Ended())
			if err := server.Err(); !strings.Contains(err.Error(), "4096 streams that were not ended") {
				t.Errorf("the link ended by %v", err)
			}
		}
		server.Close()
	}
}

// A client that takes no items holds up its own streams, and its server answers others.
func TestClientThatTakesNoItems(t *testing.T) {
	s := newStreamer()
	server, raw := rawClient(t, s.handle, nil, nil)
	for id := uint64(1); id <= 3; id++ {
		raw.Write(opening(id, methodEndless, wire.FlagTakes))
	}
	raw.Write(frame(wire.Header{Kind: wire.KindPing, ID: 9}, nil))
	got := make(map[uint64]int)
	for ponged := false; !ponged || got[1]+got[2]+got[3] < 3*wire.StreamWindow; {
		h, b := readFrame(t, raw)
		ponged = ponged || h.Kind == wire.KindPong
		got[h.ID] += len(b)
	}
	for id := uint64(1); id <= 3; id++ {
		if got[id] != wire.StreamWindow {
			t.Errorf("%d bytes of stream %d came without credit", got[id], id)
		}
		raw.Write(oneOf(wire.Header{Kind: wire.KindCancel, ID: id}))
	}
	wait.Until(t, "no stream left", func() bool { return server.Streams() == 0 && s.cancelled.Load() == 3 })
}
