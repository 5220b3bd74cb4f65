package shm

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"hotline/internal/wire"
)

func TestRequest(t *testing.T) {
	for _, want := range []ringSizes{{}, {MinRingSize, MaxRingSize}, {0, DefaultRingSize}} {
		b := request{want: want}.encode()
		if len(b) != requestSize {
			t.Fatalf("a request has %d bytes, want %d", len(b), requestSize)
		}
		if got, err := parseRequest(b); err != nil || got.want != want {
			t.Errorf("parseRequest(%v): %v, %v", want, got.want, err)
		}
	}
}

func TestReply(t *testing.T) {
	long := strings.Repeat("long ", 100)
	for _, c := range []struct{ in, want reply }{
		{reply{granted: ringSizes{MinRingSize, MaxRingSize}}, reply{granted: ringSizes{MinRingSize, MaxRingSize}}},
		{reply{granted: ringSizes{MinRingSize, MaxRingSize}, arena: MaxArenaSize}, reply{granted: ringSizes{MinRingSize, MaxRingSize}, arena: MaxArenaSize}},
		{reply{reason: "no"}, reply{reason: "no"}},
		{reply{reason: long}, reply{reason: long[:replySize-offReplyReason]}},
		{reply{reason: "\xff"}, reply{reason: "no reason given"}},
	} {
		b := c.in.encode()
		if len(b) != replySize {
			t.Fatalf("a reply has %d bytes, want %d", len(b), replySize)
		}
		if got, err := parseReply(b); err != nil || got != c.want {
			t.Errorf("parseReply(%+v): %+v, %v, want %+v", c.in, got, err, c.want)
		}
	}
}

// TestRendezvousLayout holds the messages against the tables in spec.md.
func TestRendezvousLayout(t *testing.T) {
	asking := request{want: ringSizes{0x10000, 0x20000}, blocks: true}.encode()
	want := "hotlnshm" + "\x01\x00" + "\x00\x00" + "\x02\x00\x00\x00" + "\x00\x00\x01\x00\x00\x00\x00\x00" + "\x00\x00\x02\x00\x00\x00\x00\x00"
	if string(asking) != want {
		t.Errorf("request: %q, want %q", asking, want)
	}
	accepted := reply{granted: ringSizes{0x10000, 0x20000}, arena: 0x30000}.encode()
	want = "hotlnshm" + "\x01\x00" + "\x01\x00" + "\x00\x00\x00\x00" + want[16:] + "\x00\x00\x03\x00\x00\x00\x00\x00" + strings.Repeat("\x00", 88)
	if string(accepted) != want {
		t.Errorf("accepting reply: %q, want %q", accepted, want)
	}
	refused := reply{reason: "no"}.encode()
	want = "hotlnshm" + "\x01\x00" + "\x02\x00" + strings.Repeat("\x00", 28) + "no" + strings.Repeat("\x00", 86)
	if string(refused) != want {
		t.Errorf("refusing reply: %q, want %q", refused, want)
	}
}

func TestBadRendezvous(t *testing.T) {
	change := func(b []byte, at int, to ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], to)
		return b
	}
	req, acc := request{}.encode(), reply{granted: ringSizes{MinRingSize, MinRingSize}}.encode()
	for _, c := range []struct {
		name           string
		request, reply []byte
	}{
		{"magic", change(req, 0, 'x'), change(acc, 0, 'x')},
		{"version", change(req, offRendezvousVersion, 2), change(acc, offRendezvousVersion, 2)},
		{"flags", change(req, offRendezvousFlags, 4), change(acc, offRendezvousFlags, 2)},
		{"status", change(req, offReplyStatus, 1), change(acc, offReplyStatus, 9)},
		{"size", change(req, offToServer, 1), change(acc, offToServer, 1)},
		{"other size", change(req, offToClient+7, 0xff), change(acc, offToClient+7, 0xff)},
		{"arena", change(req, offRendezvousMagic+1, 0), change(acc, offReplyArena, 1)},
		{"larger arena", change(req, offRendezvousMagic+2, 0), change(acc, offReplyArena+4, 1)},
	} {
		var protocol *wire.ProtocolError
		if _, err := parseRequest(c.request); !errors.As(err, &protocol) {
			t.Errorf("parseRequest with a wrong %s: %v, want a protocol error", c.name, err)
		}
		if _, err := parseReply(c.reply); !errors.As(err, &protocol) {
			t.Errorf("parseReply with a wrong %s: %v, want a protocol error", c.name, err)
		}
	}
}

func TestGrant(t *testing.T) {
	got := ringSizes{0, MaxRingSize}.grant(DefaultRingSize)
	if want := (ringSizes{DefaultRingSize, DefaultRingSize}); got != want {
		t.Errorf("grant: %v, want %v", got, want)
	}
	if got := (ringSizes{MinRingSize, MinRingSize}).grant(DefaultRingSize); got != (ringSizes{MinRingSize, MinRingSize}) {
		t.Errorf("grant of less than there is: %v", got)
	}
}

// FuzzRendezvous parses arbitrary bytes as either message; what is accepted is what it encodes to.
func FuzzRendezvous(f *testing.F) {
	f.Add(request{}.encode())
	f.Add(request{want: ringSizes{MinRingSize, MaxRingSize}}.encode())
	f.Add(reply{granted: ringSizes{MinRingSize, MaxRingSize}}.encode())
	f.Add(request{blocks: true}.encode())
	f.Add(reply{granted: ringSizes{MinRingSize, MaxRingSize}, arena: unit}.encode())
	f.Add(reply{reason: "no"}.encode())
	f.Add([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= requestSize {
			if r, err := parseRequest(b); err == nil && !bytes.Equal(r.encode(), b[:requestSize]) {
				t.Errorf("a request was taken for another: %q", b)
			}
		}
		if len(b) >= replySize {
			r, err := parseReply(b)
			if err == nil && r.reason == "" && (!goodRingSize(r.granted.toServer) || !goodRingSize(r.granted.toClient)) {
				t.Errorf("a reply grants rings of %v", r.granted)
			}
			if err == nil && (r.arena > MaxArenaSize || r.arena%unit != 0) {
				t.Errorf("a reply grants an arena of %d", r.arena)
			}
		}
	})
}
