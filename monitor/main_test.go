package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"hotline"
	"hotline/internal/managertest"
	"hotline/internal/wait"
	"hotline/internal/worker"
)

// probeVariable makes the test binary a process that asks the manager of a directory, and prints what it hears.
const probeVariable = "HOTLINE_TEST_PROBE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(probeVariable); dir != "" {
		probe(dir)
		return
	}
	if settings, err := worker.Peek(); settings != nil || err != nil { // a manager has started it
		if err := errors.Join(err, hotline.Serve(context.Background(), new(benchService))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// benchService is what the workers of a real manager serve.
type benchService struct {
	hotline.ServerMethodsBase `port:"bench" name:"bench"`
}

// Echo returns what it gets.
func (*benchService) Echo(_ context.Context, data []byte) ([]byte, error) { return data, nil }

// probe asks by hand: a client would look at who answers.
func probe(dir string) {
	c, err := net.Dial("unix", filepath.Join(dir, Socket))
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	defer c.Close()
	fmt.Fprint(c, "GET /v1/status HTTP/1.1\r\nHost: hotline\r\nConnection: close\r\n\r\n")
	io.Copy(os.Stdout, c)
}

// shortDir returns a directory whose path leaves room for the names of sockets.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// api is a server that serves, in a directory of its own.
type api struct {
	*Server
	dir  string
	log  *wait.Output
	stop func()
}

// serve serves a manager until the test's end, if it is not stopped before. The server can be adjusted before it begins.
func serve(t testing.TB, m Manager, adjust func(*Server)) *api {
	t.Helper()
	a := &api{dir: shortDir(t), log: new(wait.Output)}
	logger := zerolog.New(a.log)
	var err error
	a.Server, err = Listen(a.dir, m, &Options{Logger: &logger, File: "/etc/service.ini", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	if adjust != nil {
		adjust(a.Server)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx) }()
	a.stop = sync.OnceFunc(func() {
		cancel()
		if err := wait.Receive(t, "Serve to return", ended); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(a.stop)
	return a
}

// client returns a client that is closed with the test.
func (a *api) client(t testing.TB) *Client {
	t.Helper()
	c, err := Dial(a.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// raw returns a connection that is closed with the test.
func (a *api) raw(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", filepath.Join(a.dir, Socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask makes a request by hand, and returns status and body of the answer.
func (a *api) ask(t testing.TB, method, path, body string) (int, string) {
	t.Helper()
	h := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(a.dir, Socket))
	}}}
	r, err := http.NewRequest(method, "http://hotline"+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := h.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// answers makes sure that the API answers.
func (a *api) answers(t testing.TB) {
	t.Helper()
	if s, err := a.client(t).Status(t.Context(), ""); err != nil || len(s.Sections) != 1 {
		t.Errorf("Status: got %+v, %v", s, err)
	}
}

var _ Manager = (*managertest.Fake)(nil)
