package hotline_test

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// attacker is a client that keeps to no rule.
type attacker struct {
	link.Conn
	methods map[string]uint16
	heard   atomic.Bool  // the server has answered lastPing, be it that there are too many calls
	late    atomic.Int64 // calls that were answered by CodeDeadline
	credits chan wire.Header
	test    testing.TB
}

// lastPing is the id of the ping behind an attack.
const lastPing = 1 << 40

// listen drops what comes until the link ends.
func (a *attacker) listen() {
	defer close(a.credits)
	buf := make([]byte, 64<<10)
	for {
		h, err := a.Next()
		if err != nil {
			return
		}
		for left := int(h.Length); left > 0; {
			n, err := a.Read(buf[:min(left, len(buf))])
			if err != nil {
				return
			}
			left -= n
		}
		if h.Kind == wire.KindCredit {
			a.credits <- h
		}
		if h.ID == lastPing {
			a.heard.Store(true)
		}
		if h.Kind == wire.KindError && wire.Code(h.Method) == wire.CodeDeadline {
			a.late.Add(1)
		}
	}
}

// send sends a frame whose payload is n zeros, and reports whether the link still lived.
func (a *attacker) send(h wire.Header, n int) bool {
	h.Length = uint32(n)
	if h.Total == 0 {
		h.Total = h.Length
	}
	return a.Write(link.Stop{}, &h, nil, make([]byte, n)) == nil
}

// open opens streams both ways.
func (a *attacker) open(id uint64, method string) {
	a.send(wire.Header{Kind: wire.KindCall, ID: id, Method: a.methods[method],
		Flags: wire.FlagSends | wire.FlagTakes | wire.FlagCancellable}, 0)
}

// fill opens as many streams as there may be, and sends as much as it has credit for, in frames like item.
func (a *attacker) fill(method string, item []byte) {
	for id := uint64(1); id <= link.DefaultMaxInFlight; id++ {
		a.open(id, method)
		a.items(id, wire.StreamWindow, item)
	}
	credited := make(map[uint64]bool)
	for len(credited) < link.DefaultMaxInFlight || len(a.credits) > 0 {
		h, ok := <-a.credits
		if !ok {
			return // the link has ended, which is found out
		}
		credited[h.ID] = true
		a.items(h.ID, int(h.Timeout), item)
	}
}

// items sends n bytes of a stream, in frames that are as long as item, and of it.
func (a *attacker) items(id uint64, n int, item []byte) {
	for ; n > 0; n -= len(item) {
		b := item[:min(n, len(item))]
		h := wire.Header{Kind: wire.KindItem, ID: id, Length: uint32(len(b)), Total: uint32(len(b))}
		_ = a.Write(link.Stop{}, &h, nil, b) // an attack ends with an answer or an error, which shows more
	}
}

// attack is one way of breaking the rules, or of keeping to them to the utmost.
type attack struct {
	name string
	ends string // what the server's log says of the link's end; empty where it lives on
	deaf bool   // the attacker takes nothing that the server sends
	run  func(*attacker)
}

var attacks = []attack{
	{"past its credit", "of a stream that had credit for", false, func(a *attacker) {
		a.open(1, "Pump")
		for a.send(wire.Header{Kind: wire.KindItem, ID: 1}, 4096) {
		}
	}},
	{"items after the end", "an item after the end of its stream", false, func(a *attacker) {
		a.open(1, "Pump")
		a.send(wire.Header{Kind: wire.KindEnd, ID: 1}, 0)
		a.send(wire.Header{Kind: wire.KindItem, ID: 1}, 1)
	}},
	{"ids that were never opened", "which is no open stream", false, func(a *attacker) {
		a.send(wire.Header{Kind: wire.KindItem, ID: 77}, 1000)
	}},
	{"announcements", "", false, func(a *attacker) {
		for id := uint64(1); id <= 5000; id++ {
			a.send(wire.Header{Kind: wire.KindCall, ID: id, Method: a.methods["Echo"], Flags: wire.FlagMore, Total: 100 << 20}, 1)
		}
	}},
	{"calls that wait", "", false, func(a *attacker) {
		for id := uint64(1); id <= 5000; id++ {
			a.send(wire.Header{Kind: wire.KindCall, ID: id, Method: a.methods["Wait"], Flags: wire.FlagCancellable}, 0)
		}
	}},
	{"cancels of calls that have ended", "", false, func(a *attacker) {
		for id := uint64(1); id <= 20_000; id++ {
			a.send(wire.Header{Kind: wire.KindCall, ID: id, Method: a.methods["Echo"], Flags: wire.FlagCancellable}, 16)
			a.send(wire.Header{Kind: wire.KindCancel, ID: id, Method: uint16(wire.CodeCanceled)}, 0)
			a.send(wire.Header{Kind: wire.KindCancel, ID: id, Method: uint16(wire.CodeCanceled)}, 0)
		}
	}},
	{"deadlines that have passed", "", false, func(a *attacker) {
		for id := uint64(1); id <= 5000; id++ {
			a.send(wire.Header{Kind: wire.KindCall, ID: id, Method: a.methods["Wait"], Timeout: 1}, 0)
			if id%100 == 0 { // within the limit of calls in flight
				wait.Until(a.test, "the end of the calls", func() bool { return a.late.Load() == int64(id) })
			}
		}
	}},
	{"streams that are neither read nor ended", "", true, func(a *attacker) {
		for id := uint64(1); id <= link.DefaultMaxInFlight; id++ {
			a.open(id, "Pump")
		}
	}},
	{"streams that are filled and not read", "", false, func(a *attacker) {
		for id := uint64(1); id <= link.DefaultMaxInFlight; id++ {
			a.open(id, "Pump")
			for range wire.StreamWindow / 8192 {
				a.send(wire.Header{Kind: wire.KindItem, ID: id}, 8192)
			}
		}
	}},
	{"streams that are filled and read in part", "", false, func(a *attacker) {
		a.fill("Half", make([]byte, 9000))
	}},
	{"items that are read in part", "", false, func(a *attacker) {
		a.fill("Part", append([]byte{0xfe, 0x0f}, make([]byte, 0x7fe)...)) // 2 KiB: its length, and itself
	}},
	{"credits for nothing", "", false, func(a *attacker) {
		for id := uint64(1); id <= 50_000; id++ {
			a.send(wire.Header{Kind: wire.KindCredit, ID: id, Timeout: 1 << 30}, 0)
		}
	}},
	{"credits past all bounds", "a credit of", false, func(a *attacker) {
		a.open(1, "Pump")
		for a.send(wire.Header{Kind: wire.KindCredit, ID: 1, Timeout: 1<<31 - 1}, 0) {
		}
	}},
	{"stops", "the client sent a stop", false, func(a *attacker) {
		a.open(1, "Pump")
		a.send(wire.Header{Kind: wire.KindStop, ID: 1}, 0)
	}},
	{"pings that are not heard", "", true, func(a *attacker) {
		for id := range uint64(20_000) {
			stop := make(chan struct{})
			close(stop) // not more than fits
			if a.Write(link.Stop{Done: stop}, &wire.Header{Kind: wire.KindPing, ID: id + 1}, nil, nil) != nil {
				return
			}
		}
	}},
	{"metadata over its bound", "metadata", false, func(a *attacker) {
		h := wire.Header{Kind: wire.KindCall, ID: 1, Method: a.methods["Echo"], Length: 17 << 10, Metadata: 17 << 10}
		_ = a.Write(link.Stop{}, &h, nil, make([]byte, 17<<10))
	}},
}

// raw connects without a handshake.
func (s *siege) raw(t *testing.T, scheme string) net.Conn {
	t.Helper()
	conn, err := net.Dial(scheme, strings.TrimPrefix(addressOf(t, s.dir, scheme), scheme+"://"))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// halfFrames leaves many connections in the middle of a frame.
func (s *siege) halfFrames(t *testing.T, scheme string) {
	hello := (&wire.Hello{Oldest: wire.Version, Newest: wire.Version}).Append(make([]byte, wire.HeaderSize))
	n := uint32(len(hello) - wire.HeaderSize)
	(&wire.Header{Kind: wire.KindHello, Length: n, Total: n}).Put(hello)
	half := make([]byte, wire.HeaderSize)
	(&wire.Header{Kind: wire.KindCall, ID: 1, Length: wire.MaxFramePayload, Total: 100 << 20, Flags: wire.FlagMore}).Put(half)
	for range 100 {
		conn := s.raw(t, scheme)
		defer conn.Close()
		for _, b := range [][]byte{hello, half, make([]byte, 1000)} {
			if _, err := conn.Write(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.stillAnswers(t)
}

// silent opens more connections than are greeted at once, and says nothing on them.
func (s *siege) silent(t *testing.T, scheme string) {
	for range 400 {
		defer s.raw(t, scheme).Close()
	}
	s.stillAnswers(t)
}

func (s *siege) stillAnswers(t *testing.T) {
	t.Helper()
	before := s.answered.Load()
	wait.Until(t, "answers to the honest client", func() bool { return s.answered.Load() > before+10 })
	s.checkMemory(t)
}
