package examples_test

import (
	"runtime"
	"strings"
	"testing"
)

// echoReplies is what the echo client prints after its first line.
const echoReplies = `EchoRaw   hello
EchoJSON  map[colour:green sizes:[1 2 3]]
Sum       5
Divide    3 2
Divide    error: divide 17 by 0: choose another divisor
`

func TestEchoOverEveryTransport(t *testing.T) {
	p := newPlace(t)
	s := p.serve(t, 1, "echo/tcpserver", "-bind", "127.0.0.1:0")
	tcp, _ := p.address(t, "tcp")
	for _, c := range []struct {
		address, over string
		trusted       bool
	}{
		{"auto://", fastest(), true},
		{"shm://", "shm", true},
		{"unix://", "unix", true},
		{tcp, "tcp", false},
	} {
		t.Run(c.over, func(t *testing.T) {
			if c.over == "shm" && runtime.GOOS != "linux" {
				t.Skip("shared memory is for Linux")
			}
			out, errs, err := p.run(t, "", "echo/client", "-address", c.address)
			head, rest, _ := strings.Cut(out, "\n")
			if want := "echo_serv 1.0.0 at " + c.over + "://"; err != nil || errs != "" || !strings.HasPrefix(head, want) {
				t.Errorf("got %q, %q, %v, want %q first", head, errs, err, want)
			}
			gob := "Reverse   [three two one]\n"
			if !c.trusted {
				gob = "Reverse   error: hotline: Reverse: codec gob is for trusted peers"
			}
			if !strings.HasPrefix(rest, echoReplies+gob) {
				t.Errorf("got %q, want %q", rest, echoReplies+gob)
			}
		})
	}
	s.stop(t)
}

// fastest returns the transport that auto:// means.
func fastest() string {
	if runtime.GOOS == "linux" {
		return "shm"
	}
	return "unix"
}

func TestEchoByHand(t *testing.T) {
	p := newPlace(t)
	s := p.serve(t, 1, "echo/server")
	if a, ok := p.address(t, "tcp"); ok {
		t.Errorf("the service is reached over TCP, at %s, though nobody asked for that", a)
	}
	if out, errs, err := p.run(t, "", "echo/client"); err != nil || !strings.Contains(out, echoReplies) {
		t.Errorf("client: got %q, %q, %v", out, errs, err)
	}
	s.stop(t)
	if left := p.ready(t); len(left) > 0 {
		t.Errorf("the service has ended and is still there: %v", left)
	}
	if _, errs, err := p.run(t, "", "echo/client"); exitCode(err) != 1 || !strings.Contains(errs, "no service echo_serv") {
		t.Errorf("client without a service: got %q, %v", errs, err)
	}
}
