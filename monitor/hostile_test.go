package monitor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotline/internal/managertest"
	"hotline/internal/wait"
	"hotline/manager"
)

// impatient keeps a test from waiting for as long as a server does.
func impatient(s *Server) {
	s.http.ReadHeaderTimeout, s.http.ReadTimeout, s.answered = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
}

// TestHalfRequests sends requests that are not what they should be. Each connection is ended, and others are served.
func TestHalfRequests(t *testing.T) {
	f := managertest.New(1)
	a := serve(t, f, impatient)
	const post = "POST /v1/commands HTTP/1.1\r\nHost: x\r\n"
	for _, c := range []struct{ name, sent, want string }{
		{"nothing", "", ""},
		{"half a line", "GET /v1/sta", ""},
		{"half a header", "GET /v1/status HTTP/1.1\r\nHost: ", ""},
		{"half a body", post + "Content-Length: 100\r\n\r\n{\"verb\":", "HTTP/1.1 400 Bad Request\r\n"},
		{"a body in chunks without end", post + "Transfer-Encoding: chunked\r\n\r\n4\r\n{\"ve\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"half a body that nobody asked for", "GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", "HTTP/1.1 400 Bad Request\r\n"},
		{"half a body for nothing", "POST /v1/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", "HTTP/1.1 400 Bad Request\r\n"},
		{"half a body for the metrics", "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", "HTTP/1.1 400 Bad Request\r\n"},
		{"a giant body", post + "Content-Length: 1000000000\r\n\r\n" + strings.Repeat(" ", 2*maxBody), "HTTP/1.1 413 Request Entity Too Large\r\n"},
		{"a giant chunk", post + "Transfer-Encoding: chunked\r\n\r\n40000000\r\n" + strings.Repeat(" ", 2*maxBody), "HTTP/1.1 413 Request Entity Too Large\r\n"},
		{"a giant header", "GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 4*maxHeader), "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
		{"garbage", "\x00\xff\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 "},
	} {
		conn := a.raw(t)
		go io.WriteString(conn, c.sent) // the server may not take it all
		var got []byte
		wait.Return(t, "the end of the connection after "+c.name, func() { got, _ = io.ReadAll(conn) })
		if !strings.HasPrefix(string(got), c.want) {
			t.Errorf("%s: got %.80q, want %q", c.name, got, c.want)
		}
		a.answers(t)
	}
	if got := f.Commands(); len(got) > 0 {
		t.Errorf("the manager was told to %q", got)
	}
}

// TestSlowClient has a client that reads nothing of a command's progress, which is more than any buffer holds. The command
// ends, others are served meanwhile, and the client's connection is ended.
func TestSlowClient(t *testing.T) {
	f := managertest.New(1)
	begun, ended := make(chan struct{}), make(chan struct{})
	line := strings.Repeat("x", 1000)
	f.Act = func(_ context.Context, command string, say manager.Progress) error {
		if command != "restart Lab" {
			return nil
		}
		close(begun)
		for range 10_000 {
			say(line)
		}
		close(ended)
		return nil
	}
	a := serve(t, f, impatient)
	slow := a.raw(t)
	const body = `{"verb":"restart","name":"Lab"}`
	fmt.Fprintf(slow, "POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	wait.Receive(t, "the command to begin", begun)
	if _, err := a.client(t).Do(t.Context(), Command{Verb: Stop, Name: "Lab"}, nil); err != nil {
		t.Errorf("another client's command: %v", err)
	}
	a.answers(t)
	wait.Receive(t, "the command to end", ended)
	wait.Until(t, "the slow client to be dropped", func() bool { return a.ln.open.Load() <= 2 })
	a.answers(t)
}

// TestClientThatReadsNothing asks again and again and takes no answer, of whatever kind. Its connection is ended.
func TestClientThatReadsNothing(t *testing.T) {
	a := serve(t, managertest.New(1), impatient)
	for _, path := range []string{"//v1/status", "/v1/status", "/nothing", "/metrics"} {
		slow := a.raw(t)
		wait.Return(t, "the end of the connection to "+path, func() {
			for {
				if _, err := fmt.Fprintf(slow, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
					return
				}
			}
		})
		a.answers(t)
	}
}

// TestMissedProgress has a command that says more than waits for a client: the rest is counted.
func TestMissedProgress(t *testing.T) {
	f := managertest.New(1)
	const lines = 100 * maxSteps
	f.Act = func(_ context.Context, _ string, say manager.Progress) error {
		for range lines {
			say("step")
		}
		return nil
	}
	got := 0
	out, err := serve(t, f, nil).client(t).Do(t.Context(), Command{Verb: Restart, Name: "Lab"}, func(string) { got++ })
	if err != nil || got+out.Missed != lines {
		t.Errorf("of %d lines: got %d, and %+v, %v", lines, got, out, err)
	}
}

// TestTooManyConnections opens all connections that there may be. The next hears why it can't be served, and is when others
// have left.
func TestTooManyConnections(t *testing.T) {
	a := serve(t, managertest.New(1), nil)
	var held []net.Conn
	for range maxConns {
		held = append(held, a.raw(t))
	}
	wait.Until(t, "all to be open", func() bool { return a.ln.open.Load() == maxConns })
	answer, err := http.ReadResponse(bufio.NewReader(a.raw(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != 503 || !strings.Contains(string(body), "64 connections open, which is all that it takes") {
		t.Errorf("one more: got %d, %s", answer.StatusCode, body)
	}
	for i := range 100 { // a client hears it, too, however the two take turns
		c, err := Dial(a.dir)
		if err != nil { // it can't know yet
			t.Fatal(err)
		}
		if i%2 == 0 {
			_, err = c.Status(t.Context(), "")
		} else {
			_, err = c.Do(t.Context(), Command{Verb: Stop, Name: "Lab"}, nil)
		}
		if e := (*Error)(nil); !errors.As(err, &e) || e.Code != Busy {
			t.Errorf("a client: got %v", err)
		}
		c.Close()
	}
	for _, c := range held {
		c.Close()
	}
	wait.Until(t, "all to be closed", func() bool { return a.ln.open.Load() == 0 })
	a.answers(t)
}

// TestEndlessAnswers has something else in the manager's place, whose answers have no end.
func TestEndlessAnswers(t *testing.T) {
	dir := shortDir(t)
	ln, err := net.Listen("unix", filepath.Join(dir, Socket))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"progress":"`)
		for {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<10)); err != nil {
				return
			}
		}
	})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	defer func() {
		s.Close()
		wait.Receive(t, "Serve", served)
	}()
	c, err := Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.most = 1 << 20
	const want = "answers with more than 1048576 bytes"
	if _, err := c.Status(t.Context(), ""); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Status: got %v", err)
	}
	if _, err := c.Do(t.Context(), Command{Verb: Stop, Name: "Lab"}, nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Do: got %v", err)
	}
}
