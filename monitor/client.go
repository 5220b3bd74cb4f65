package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"hotline/internal/unixsock"
	"hotline/registry"
)

const (
	dialWait  = 5 * time.Second
	headWait  = time.Minute // for an answer to begin
	maxAnswer = 64 << 20    // bytes of an answer, and of a line of a command's
	maxError  = 1 << 20     // bytes of an error
)

// Client asks a running manager. Its methods may be called at once; they end with their contexts.
type Client struct {
	dir  string
	http *http.Client
	most int64 // maxAnswer; tests take less
}

// Dial finds the manager of a runtime directory, as [registry.Open] finds that. The error is a [*NoManagerError] where
// none runs. The client is to be closed.
func Dial(dir string) (*Client, error) {
	dir, err := registry.Path(dir)
	if err != nil {
		return nil, err
	}
	c := &Client{dir: dir, most: maxAnswer}
	first, err := c.dial(context.Background())
	if err != nil {
		return nil, err
	}
	first.Close()
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		DisableCompression: true, MaxIdleConns: 1, ResponseHeaderTimeout: headWait,
	}}
	return c, nil
}

// dial connects, and makes sure that a process of this user or of root answers; root believes any owner of the socket.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	path := filepath.Join(c.dir, Socket)
	if err := unixsock.CheckPath(path); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	d := net.Dialer{Timeout: dialWait}
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, &NoManagerError{c.dir, err}
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("monitor: the manager in %s is another user's: run the command as that user, or as root: %w", c.dir, err)
	default:
		return nil, fmt.Errorf("monitor: reach the manager in %s: %w", c.dir, err)
	}
	peer, err := unixsock.PeerOf(conn.(*net.UnixConn))
	if err == nil && !peer.Trusted() && os.Geteuid() != 0 {
		err = fmt.Errorf("a process of user %d answers there (pid %d)", peer.UID, peer.PID)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("monitor: reach the manager in %s: %w", c.dir, err)
	}
	return conn, nil
}

// Close closes the connections that are not in use.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Status returns what the sections do that a name asks for: all for an empty one.
func (c *Client) Status(ctx context.Context, name string) (*Status, error) {
	return get[*Status](ctx, c, "/v1/status", name)
}

// Figures returns what the workers have done, and do. It takes longer than Status.
func (c *Client) Figures(ctx context.Context, name string) (*Figures, error) {
	return get[*Figures](ctx, c, "/v1/figures", name)
}

// Stacks returns what the goroutines of a worker do.
func (c *Client) Stacks(ctx context.Context, name string, worker int) (*Stacks, error) {
	return get[*Stacks](ctx, c, "/v1/sections/"+url.PathEscape(name)+"/workers/"+strconv.Itoa(worker)+"/stacks", "")
}

// Do runs a command and returns how it ended. say takes the lines of its progress; it may be nil. When ctx ends, the
// manager goes on with the command. The error is an [*Error] if the manager says that it failed.
func (c *Client) Do(ctx context.Context, command Command, say func(line string)) (*Outcome, error) {
	body, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	r, err := c.do(ctx, http.MethodPost, "/v1/commands", bytes.NewReader(body))
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("monitor: wait for the %s: %w: the manager goes on with it if it has begun", command.Verb, context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	answer := &io.LimitedReader{R: r.Body}
	d := json.NewDecoder(answer)
	for {
		var e event
		answer.N = c.most // whoever answers, it is not to fill the memory
		switch err := d.Decode(&e); {
		case err != nil && answer.N == 0:
			return nil, c.tooLong()
		case err != nil && ctx.Err() != nil:
			return nil, fmt.Errorf("monitor: wait for the %s: %w: the manager goes on with it", command.Verb, context.Cause(ctx))
		case err != nil:
			return nil, fmt.Errorf("monitor: the manager in %s ended before the %s did: %w", c.dir, command.Verb, err)
		case e.Error != nil:
			return nil, e.Error
		case e.Outcome != nil:
			return e.Outcome, nil
		case e.Progress != nil && say != nil:
			say(*e.Progress)
		}
	}
}

// do makes a request. Its answer has a status of 200 to 299, and a body that is to be closed.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://hotline"+path, body)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		var none *NoManagerError
		switch {
		case errors.As(err, &none):
			return nil, none
		case ctx.Err() != nil:
			return nil, c.gaveUp(ctx)
		}
		return nil, fmt.Errorf("monitor: ask the manager in %s: %w", c.dir, errors.Unwrap(err)) // without the URL, which is not one
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxError))
	var e event
	if json.Unmarshal(text, &e) == nil && e.Error != nil {
		return nil, e.Error
	}
	return nil, fmt.Errorf("monitor: the manager in %s answers %s: %.200q", c.dir, answer.Status, text)
}

// get asks for a value about the sections that a name asks for.
func get[T any](ctx context.Context, c *Client, path, name string) (v T, err error) {
	if name != "" {
		path += "?name=" + url.QueryEscape(name)
	}
	r, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return v, err
	}
	defer r.Body.Close()
	answer := &io.LimitedReader{R: r.Body, N: c.most}
	err = json.NewDecoder(answer).Decode(&v)
	switch {
	case err == nil:
		return v, nil
	case answer.N == 0:
		err = c.tooLong()
	case ctx.Err() != nil:
		err = c.gaveUp(ctx)
	default:
		err = fmt.Errorf("monitor: read what the manager in %s answers: %w", c.dir, err)
	}
	var none T
	return none, err
}

func (c *Client) tooLong() error {
	return fmt.Errorf("monitor: the manager in %s answers with more than %d bytes", c.dir, c.most)
}

func (c *Client) gaveUp(ctx context.Context) error {
	return fmt.Errorf("monitor: wait for the manager in %s: %w", c.dir, context.Cause(ctx))
}
