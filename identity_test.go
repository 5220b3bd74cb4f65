package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"hotline"
	"hotline/internal/link"
	"hotline/internal/spectest"
	"hotline/internal/wire"
	"hotline/nettcp"
)

// faultServer returns errors.
type faultServer struct {
	hotline.ServerMethodsBase `port:"5558" name:"faults"`
	faults                    []error
	got                       chan error // by Take and Read, from the client
}

func (s *faultServer) Fail(_ context.Context, which int) error { return s.faults[which] }

func (s *faultServer) Items(_ context.Context, which int) iter.Seq2[int, error] {
	return failing(s.faults[which])
}

// failing is an item, and then an error.
func failing(err error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) { _ = yield(1, nil) && yield(0, err) }
}

// Take and Read keep what the client's stream ended with.
func (s *faultServer) Take(_ context.Context, items iter.Seq2[int, error]) error {
	_, err := collect(items)
	s.got <- err
	return nil
}

func (s *faultServer) Read(_ context.Context, r io.Reader) ([]byte, error) {
	_, err := io.ReadAll(r)
	s.got <- err
	return nil, nil
}

type faultClient struct {
	hotline.ClientMethodsBase `name:"faults"`
	Fail                      func(ctx context.Context, which int) error
}

// faultStreams has the methods that stream too.
type faultStreams struct {
	faultClient
	Items func(ctx context.Context, which int) iter.Seq2[int, error]
	Take  func(ctx context.Context, items iter.Seq2[int, error]) error
	Read  func(ctx context.Context, r io.Reader) ([]byte, error)
}

// What the test's server and client know, and what only one of them does.
var (
	errSoldOut    = errors.New("sold out")
	errServerOnly = errors.New("known to the server only")
)

// quotaError is known by its pointer. What it wraps is not sent.
type quotaError struct {
	Used, Limit int
	Tenants     []string
	cause       error
}

func (e *quotaError) Error() string {
	if e == nil {
		return "no quota"
	}
	return fmt.Sprintf("%d of %d used", e.Used, e.Limit)
}
func (e *quotaError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.cause
}

// codeError is known as a value.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("code %d", int(e)) }

// missingError says that it is another error.
type missingError struct{ what string }

func (e missingError) Error() string        { return e.what + " is missing" }
func (e missingError) Is(target error) bool { return target == fs.ErrNotExist }

// liarError says what only the client can know.
type liarError struct{ N int }

func (e *liarError) Error() string        { return "liar" }
func (e *liarError) Is(target error) bool { return target == hotline.ErrNotExecuted }

func knownHere() []hotline.KnownError {
	return []hotline.KnownError{
		hotline.ErrorValue("shop.sold_out", errSoldOut),
		hotline.ErrorType[*quotaError]("shop.quota", ""),
		hotline.ErrorType[codeError]("shop.code", "json"),
		hotline.ErrorType[*liarError]("shop.liar", "cbor"),
	}
}

func openMissing(name string) error {
	_, err := os.Open(name)
	return err
}

func renameMissing(name string) error { return os.Rename(name, name+"2") }

// fault is an error that one side has, and what the other one is to make of it.
type fault struct {
	err  error
	code hotline.Code
	is   []error
	not  []error
	as   func(err error) bool // nil for nothing
}

func faults(t *testing.T) []fault {
	missing := filepath.Join(t.TempDir(), "missing")
	nested := hotline.ErrNotExecuted
	return []fault{
		{err: errors.New("plain"), not: []error{io.EOF, fs.ErrNotExist}},
		{err: io.EOF, is: []error{io.EOF}, not: []error{io.ErrUnexpectedEOF}},
		{err: fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), is: []error{io.ErrUnexpectedEOF}, not: []error{io.EOF}},
		{err: errors.Join(fs.ErrExist, fmt.Errorf("after that: %w and %w", os.ErrDeadlineExceeded, fs.ErrClosed)),
			is: []error{fs.ErrExist, os.ErrDeadlineExceeded, fs.ErrClosed}, not: []error{context.DeadlineExceeded}},
		{err: syscall.EACCES, is: []error{fs.ErrPermission}, not: []error{fs.ErrNotExist, syscall.EACCES}},
		{err: fmt.Errorf("bad: %w", fs.ErrInvalid), is: []error{fs.ErrInvalid}},
		{err: errors.ErrUnsupported, is: []error{errors.ErrUnsupported}},
		{err: missingError{"a part"}, is: []error{fs.ErrNotExist}},
		{err: context.Canceled, code: hotline.CodeCanceled, is: []error{context.Canceled}, not: []error{context.DeadlineExceeded}},
		{err: fmt.Errorf("behind: %w: %w", context.DeadlineExceeded, io.EOF), code: hotline.CodeDeadline,
			is: []error{context.DeadlineExceeded, io.EOF}, not: []error{context.Canceled}},

		{err: fmt.Errorf("shop: %w", errSoldOut), is: []error{errSoldOut}, not: []error{io.EOF}},
		{err: fmt.Errorf("shop: %w: %w", errServerOnly, io.EOF), is: []error{io.EOF}, not: []error{errServerOnly}},
		{err: fmt.Errorf("shop: %w", &quotaError{Used: 7, Limit: 5, Tenants: []string{"a", "b"}, cause: io.EOF}), is: []error{io.EOF}, as: func(err error) bool {
			q, ok := errors.AsType[*quotaError](err)
			return ok && q.Used == 7 && q.Limit == 5 && slices.Equal(q.Tenants, []string{"a", "b"}) && q.Error() == "7 of 5 used"
		}},
		{err: errors.Join(codeError(3), codeError(4)), as: func(err error) bool {
			c, ok := errors.AsType[codeError](err)
			return ok && c == 3 && errors.Is(err, codeError(4))
		}},
		{err: (*quotaError)(nil), as: func(err error) bool {
			_, ok := errors.AsType[*quotaError](err)
			return !ok
		}},

		{err: openMissing(missing), is: []error{fs.ErrNotExist}, as: func(err error) bool {
			p, ok := errors.AsType[*fs.PathError](err)
			return ok && p.Op == "open" && p.Path == missing && p.Err.Error() == syscall.ENOENT.Error() && errors.Is(p.Err, fs.ErrNotExist)
		}},
		// Each path has its own cause.
		{err: errors.Join(&fs.PathError{Op: "stat", Path: "a", Err: fs.ErrPermission}, &fs.PathError{Op: "stat", Path: "b", Err: fs.ErrNotExist}, errSoldOut),
			is: []error{fs.ErrPermission, fs.ErrNotExist, errSoldOut}, as: func(err error) bool {
				p, ok := errors.AsType[*fs.PathError](err)
				return ok && p.Path == "a" && errors.Is(p, fs.ErrPermission) && !errors.Is(p, fs.ErrNotExist) && !errors.Is(p, errSoldOut)
			}},
		{err: renameMissing(missing), is: []error{fs.ErrNotExist}, as: func(err error) bool {
			l, ok := errors.AsType[*os.LinkError](err)
			return ok && l.Op == "rename" && l.Old == missing && l.New == missing+"2" && errors.Is(l, fs.ErrNotExist) && strings.HasPrefix(l.Error(), "rename ")
		}},
		{err: fmt.Errorf("at start: %w", os.NewSyscallError("bind", syscall.EACCES)), is: []error{fs.ErrPermission}, as: func(err error) bool {
			s, ok := errors.AsType[*os.SyscallError](err)
			return ok && s.Syscall == "bind" && errors.Is(s.Err, fs.ErrPermission) && s.Error() == "bind: permission denied"
		}},
		{err: fmt.Errorf("%w, %w", os.ErrNoDeadline, os.ErrProcessDone), is: []error{os.ErrNoDeadline, os.ErrProcessDone}},
		{err: &quotaError{cause: &fs.PathError{Op: "nothing"}}, as: func(err error) bool {
			p, ok := errors.AsType[*fs.PathError](err)
			return ok && p.Op == "nothing" && p.Path == ""
		}},

		// What became of a call that the method made is not what became of this one.
		{err: fmt.Errorf("calling another: %w: %w", nested, io.EOF), is: []error{io.EOF}, not: []error{hotline.ErrNotExecuted}},
		{err: fmt.Errorf("%w: %w", context.DeadlineExceeded, hotline.ErrMaybeExecuted), code: hotline.CodeDeadline,
			is: []error{context.DeadlineExceeded}},
		{err: fmt.Errorf("shop: %w: %w", new(liarError), errSoldOut), is: []error{errSoldOut}},

		// As many as there is room for.
		{err: errors.Join(slices.Repeat([]error{errors.New("x"), io.EOF, codeError(1)}, 1000)...), is: []error{io.EOF}},
		{err: fmt.Errorf("%w, %w", &quotaError{Tenants: []string{strings.Repeat("x", 20<<10)}}, errSoldOut), is: []error{errSoldOut},
			as: func(err error) bool { _, ok := errors.AsType[*quotaError](err); return !ok }},
	}
}

// check looks at what became of the fault at the other side.
func (f *fault) check(t *testing.T, way string, err error) {
	t.Helper()
	remote, ok := errors.AsType[*hotline.Error](err)
	if code := max(f.code, hotline.CodeApplication); !ok || remote.Code != code || remote.Message != f.err.Error() {
		t.Fatalf("%s: %.100q: got %#v", way, f.err, err)
	}
	for _, target := range f.is {
		if !errors.Is(err, target) {
			t.Errorf("%s: %.100q: errors.Is %v is false", way, f.err, target)
		}
	}
	for _, target := range append(f.not, hotline.ErrNotExecuted, hotline.ErrMaybeExecuted, hotline.ErrTooLarge, hotline.ErrClosed) {
		if errors.Is(err, target) {
			t.Errorf("%s: %.100q: errors.Is %v is true", way, f.err, target)
		}
	}
	if f.as != nil && !f.as(err) {
		t.Errorf("%s: %.100q: errors.As finds another error: %#v", way, f.err, remote.Unwrap())
	}
}

// What a method's error is and wraps is found in what the caller gets, over every transport, and so is that of a stream in
// what its other end gets, whoever sends it.
func TestErrorsKeepTheirIdentity(t *testing.T) {
	service, all := &faultServer{got: make(chan error, 1)}, faults(t)
	for _, f := range all {
		service.faults = append(service.faults, f.err)
	}
	srv := &hotline.Server{TCPBind: "127.0.0.1:0", Errors: append(knownHere(), hotline.ErrorValue("server.only", errServerOnly))}
	dir := serve(t, srv, service)
	for _, way := range ways {
		var c faultStreams
		d, address := dialerBy(t, way, dir, srv)
		d.Errors = knownHere()
		if err := d.Connect(t.Context(), &c, address); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for i, f := range all {
			f.check(t, way, c.Fail(t.Context(), i))
			f.check(t, way+", untyped", c.Call(t.Context(), "Fail", nil, i))
			for item, err := range c.Items(t.Context(), i) {
				if item == 0 {
					f.check(t, way+", items from the server", err)
				}
			}
			if err := c.Take(t.Context(), failing(f.err)); err != nil {
				t.Errorf("%s: %.100q: Take: %v", way, f.err, err)
			}
			f.check(t, way+", items from the client", <-service.got)
			if f.err == io.EOF {
				continue // which is the end of a reader
			}
			if _, err := c.Read(t.Context(), iotest.ErrReader(f.err)); err != nil {
				t.Errorf("%s: %.100q: Read: %v", way, f.err, err)
			}
			f.check(t, way+", bytes from the client", <-service.got)
		}
		c.Close()
		if err := c.Fail(t.Context(), 0); err == nil || errors.As(err, new(*hotline.Error)) {
			t.Errorf("%s: a call that failed here looks as if the server had answered: %v", way, err)
		}
	}
}

// An error keeps its identity through a service that hands it on.
func TestErrorsThroughAnotherService(t *testing.T) {
	relay := new(relayServer)
	srv := &hotline.Server{Errors: knownHere()}
	dir := serve(t, srv, &faultServer{faults: []error{&quotaError{Used: 1, cause: fs.ErrExist}}}, relay)
	d := &hotline.Dialer{Dir: dir, Errors: knownHere()}
	if err := d.Connect(t.Context(), &relay.faults); err != nil {
		t.Fatal(err)
	}
	defer relay.faults.Close()
	var c struct {
		hotline.ClientMethodsBase `name:"relay"`
		Relay                     func(ctx context.Context, which int) error
	}
	if err := d.Connect(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err := c.Relay(t.Context(), 0)
	q, ok := errors.AsType[*quotaError](err)
	if !ok || q.Used != 1 || !errors.Is(err, fs.ErrExist) || err.Error() != "relay: 1 of 0 used" {
		t.Errorf("got %#v", err)
	}
	remote, _ := errors.AsType[*hotline.Error](err)
	if remote.Method != "Relay" {
		t.Errorf("the error is that of %s", remote.Method)
	}
}

// relayServer hands on what another service answers.
type relayServer struct {
	hotline.ServerMethodsBase `port:"5559" name:"relay"`
	faults                    faultClient
}

func (s *relayServer) Relay(ctx context.Context, which int) error {
	return fmt.Errorf("relay: %w", s.faults.Fail(ctx, which))
}

// sliceError can't be compared.
type sliceError []string

func (e sliceError) Error() string { return "several" }

// funcError can't be sent.
type funcError struct{ F func() }

func (e funcError) Error() string { return "a function" }

func TestKnownErrorsAreChecked(t *testing.T) {
	for _, test := range []struct {
		known []hotline.KnownError
		text  string
	}{
		{[]hotline.KnownError{hotline.ErrorValue("", errSoldOut)}, "error sold out has no name"},
		{[]hotline.KnownError{hotline.ErrorType[codeError]("", "")}, "error type hotline_test.codeError has no name"},
		{[]hotline.KnownError{{}}, "has no name"},
		{[]hotline.KnownError{hotline.ErrorValue(strings.Repeat("n", 129), errSoldOut)}, "the name takes 129 bytes, at most 128"},
		{[]hotline.KnownError{hotline.ErrorValue("a", nil)}, `error "a" is nil`},
		{[]hotline.KnownError{hotline.ErrorValue("a", errSoldOut), hotline.ErrorType[codeError]("a", "")}, `error "a": the name is taken`},
		{[]hotline.KnownError{hotline.ErrorValue("io.EOF", errSoldOut)}, `error "io.EOF": the name is taken`},
		{[]hotline.KnownError{hotline.ErrorType[codeError]("a", ""), hotline.ErrorType[codeError]("b", "")}, `it is known as "a" already`},
		{[]hotline.KnownError{hotline.ErrorType[*fs.PathError]("path", "")}, `it is known as "fs.PathError" already`},
		{[]hotline.KnownError{hotline.ErrorType[*hotline.Error]("e", "")}, "leave it out"},
		{[]hotline.KnownError{hotline.ErrorType[error]("e", "")}, "it is an interface"},
		{[]hotline.KnownError{hotline.ErrorType[codeError]("e", "yaml")}, `unknown codec "yaml"`},
		{[]hotline.KnownError{hotline.ErrorType[codeError]("e", "gob")}, "codec gob is not for errors"},
		{[]hotline.KnownError{hotline.ErrorType[sliceError]("e", "raw")}, "codec raw is not for errors"},
		{[]hotline.KnownError{hotline.ErrorType[funcError]("e", "")}, "by the field's tag"},
		{[]hotline.KnownError{hotline.ErrorValue("e", sliceError{})}, "use ErrorType"},
		{[]hotline.KnownError{hotline.ErrorValue("e", fmt.Errorf("x: %w", hotline.ErrMaybeExecuted))}, "what became of a call"},
	} {
		d := &hotline.Dialer{Dir: t.TempDir(), Errors: test.known}
		_, err := d.Dial(t.Context(), "faults")
		if err == nil || !strings.Contains(err.Error(), "Dialer.Errors: error ") || !strings.Contains(err.Error(), test.text) {
			t.Errorf("Dialer.Errors: got %v, want %q", err, test.text)
		}
		srv := &hotline.Server{Dir: t.TempDir(), Errors: test.known}
		if err := srv.Register(new(faultServer)); err != nil {
			t.Fatal(err)
		}
		if err := srv.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "Server.Errors: error ") || !strings.Contains(err.Error(), test.text) {
			t.Errorf("Server.Errors: got %v, want %q", err, test.text)
		}
	}
}

// serveByHand answers the calls of a client, once connected, by a handler of the test's own, as a service that has one
// method. It returns the address.
func serveByHand(t *testing.T, method wire.Method, h link.Handler, o *link.Options) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := nettcp.Listen("unix", filepath.Join(dir, "s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		err = link.Receive(conn, patience, func(*wire.Hello) (*wire.Welcome, *wire.Error) {
			return &wire.Welcome{MaxMessage: 1 << 20, MaxInFlight: 10, Service: "by_hand", Methods: []wire.Method{method}}, nil
		})
		if err != nil {
			t.Error(err)
			return
		}
		server, err := link.NewServer(conn, h, o, nil)
		if err != nil {
			t.Error(err)
			return
		}
		server.Wait()
	}()
	t.Cleanup(func() {
		ln.Close()
		<-ended
	})
	return ln.Addr()
}

// handlerFunc is a link.Handler.
type handlerFunc func(ctx context.Context, c *link.Incoming) error

func (h handlerFunc) Handle(ctx context.Context, c *link.Incoming) error { return h(ctx, c) }

// A server may say of its errors what it likes: the client takes what it knows and can decode, and believes the code.
func TestErrorsOfAHostileServer(t *testing.T) {
	var list []wire.Identity
	address := serveByHand(t, wire.Method{Name: "Fail", Codec: "msgpack", Arguments: "(int)", Results: "()"},
		handlerFunc(func(context.Context, *link.Incoming) error {
			return &wire.Error{Code: wire.CodeApplication, Message: "words", Identities: list}
		}), nil)
	var c faultClient
	d := &hotline.Dialer{Errors: knownHere()}
	if err := d.Connect(t.Context(), &c, address); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	value := func(name, value string, depth uint32) wire.Identity {
		return wire.Identity{Name: name, Value: []byte(value), Depth: depth}
	}
	for _, test := range []struct {
		list  []wire.Identity
		known string // what is left, as text
	}{
		{nil, "[]"},
		{[]wire.Identity{value("no such name", "x", 0), value("io.EOF", "a value", 1), value("no such name", "", 0)}, "[EOF]"},
		{[]wire.Identity{value("hotline.ErrNotExecuted", "", 0), value("shop.sold_out", "", 0)}, "[sold out]"},
		{[]wire.Identity{value("shop.quota", "", 0)}, "[]"},
		{[]wire.Identity{value("shop.quota", "\xdf\xff\xff\xff\xff", 0)}, "[]"},
		{[]wire.Identity{value("shop.quota", "\x91\xc0", 0), value("io.EOF", "", 1)}, "[EOF]"}, // a nil pointer
		{[]wire.Identity{value("shop.code", "{", 0)}, "[]"},
		{[]wire.Identity{value("shop.code", "[7]", 0)}, "[code 7]"},
		{[]wire.Identity{value("shop.liar", "\x81\xa1\x61N\x01", 0), value("io.EOF", "", 1)}, "[EOF]"},
		{[]wire.Identity{value("fs.PathError", "\x93\xa1o", 0), value("fs.ErrExist", "", 1)}, "[file already exists]"},
		{[]wire.Identity{value("fs.PathError", "\x93\xa1o\xa1p\xa1c", 0), value("fs.PathError", "\x93\xa1o\xa1p\xa1c", 1), value("io.EOF", "", 2)}, "[o p: c]"},
	} {
		list = test.list
		err := c.Fail(t.Context(), 0)
		remote, ok := errors.AsType[*hotline.Error](err)
		if !ok || remote.Message != "words" || fmt.Sprint(remote.Unwrap()) != test.known {
			t.Errorf("%+v: got %v of %v, want %s", test.list, remote.Unwrap(), err, test.known)
		}
		if errors.Is(err, hotline.ErrNotExecuted) || errors.Is(err, hotline.ErrMaybeExecuted) {
			t.Errorf("%+v: says what became of the call: %v", test.list, err)
		}
	}
}

func TestSpecErrors(t *testing.T) {
	var rows [][]string
	for _, name := range hotline.BuiltinErrors() {
		rows = append(rows, []string{name})
	}
	spectest.Compare(t, spectest.Tables(t, "."), "identities never say what became of the call. These names are known to all", rows)
}
