package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/nettcp"
)

// notesServer tells what came with a call, and answers with what it is asked to.
type notesServer struct {
	hotline.ServerMethodsBase `port:"5560" name:"notes"`
	inner                     notesClient // where Outer calls
	began                     chan context.Context
}

// Notes returns what came, and sends it back as metadata, each value in brackets.
func (s *notesServer) Notes(ctx context.Context) (map[string]string, error) {
	got := hotline.IncomingMetadata(ctx)
	for key, value := range got {
		if err := hotline.SetReplyMetadata(ctx, key, "["+value+"]"); err != nil {
			return nil, err
		}
	}
	if fail := got["fail"]; fail != "" {
		return nil, errors.New(fail)
	}
	return got, nil
}

// Raw does the same in bytes.
func (s *notesServer) Raw(ctx context.Context, _ []byte) ([]byte, error) {
	m, err := s.Notes(ctx)
	return []byte(fmt.Sprint(m)), err
}

// Plain can't know of metadata.
func (s *notesServer) Plain(n int) int { return n }

// Set sets as many bytes as it is asked to for a key, and returns the error of that.
func (s *notesServer) Set(ctx context.Context, key string, bytes int) (string, error) {
	_ = hotline.SetReplyMetadata(ctx, "first", "1")
	if err := hotline.SetReplyMetadata(ctx, key, strings.Repeat("v", bytes)); err != nil {
		if !errors.Is(err, hotline.ErrTooLarge) && key != "" {
			return "", errors.New("no ErrTooLarge")
		}
		return err.Error(), nil
	}
	return "", nil
}

// Items streams what came, as Notes returns it, and Upload and Both are Notes for what the client streams.
func (s *notesServer) Items(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		got, err := s.Notes(ctx)
		for key, value := range got {
			if !yield(key+"="+value, nil) {
				return
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

func (s *notesServer) Upload(ctx context.Context, items iter.Seq[any]) (map[string]string, error) {
	for range items {
	}
	return s.Notes(ctx)
}

func (s *notesServer) Both(ctx context.Context, items iter.Seq[any]) iter.Seq2[string, error] {
	for range items {
	}
	return s.Items(ctx)
}

func (s *notesServer) Bytes(ctx context.Context) (io.ReadCloser, error) {
	got, err := s.Notes(ctx)
	return io.NopCloser(strings.NewReader(fmt.Sprint(got))), err
}

// Outer calls Left with its own context, and with a pair more if it is asked to.
func (s *notesServer) Outer(ctx context.Context, key string) (map[string]string, time.Duration, error) {
	if key != "" {
		ctx = hotline.WithMetadata(ctx, key, "asked")
	}
	return s.inner.Left(ctx)
}

// Left returns what came, and the time that is left, -1 where there is no deadline.
func (s *notesServer) Left(ctx context.Context) (map[string]string, time.Duration, error) {
	left := time.Duration(-1)
	if at, ok := ctx.Deadline(); ok {
		left = time.Until(at)
	}
	return hotline.IncomingMetadata(ctx), left, nil
}

// Wait returns when its context ends, which it shows to who waits for it; OuterWait when that of Wait does.
func (s *notesServer) Wait(ctx context.Context) error {
	select {
	case s.began <- ctx:
	default:
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *notesServer) OuterWait(ctx context.Context) error { return s.inner.Wait(ctx) }

type notesClient struct {
	hotline.ClientMethodsBase `name:"notes"`
	Notes                     func(ctx context.Context) (map[string]string, error)
	Raw                       func(ctx context.Context, b []byte) ([]byte, error)
	Plain                     func(ctx context.Context, n int) (int, error)
	Set                       func(ctx context.Context, key string, bytes int) (string, error)
	Outer                     func(ctx context.Context, key string) (map[string]string, time.Duration, error)
	Left                      func(ctx context.Context) (map[string]string, time.Duration, error)
	Wait                      func(ctx context.Context) error
	OuterWait                 func(ctx context.Context) error
	Items                     func(ctx context.Context) iter.Seq2[string, error]
	Upload                    func(ctx context.Context, items iter.Seq[any]) (map[string]string, error)
	Both                      func(ctx context.Context, items iter.Seq[any]) iter.Seq2[string, error]
	Bytes                     func(ctx context.Context) (io.ReadCloser, error)
}

// overEveryTransport serves notes, whose Outer methods call in the same way, and runs a test for each way.
func overEveryTransport(t *testing.T, test func(t *testing.T, s *notesServer, c *notesClient)) {
	t.Helper()
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			service := &notesServer{began: make(chan context.Context, 1)}
			srv := &hotline.Server{TCPBind: "127.0.0.1:0"}
			dir := serve(t, srv, service)
			d, address := dialerBy(t, way, dir, srv)
			c := new(notesClient)
			for _, client := range []*notesClient{c, &service.inner} {
				if err := d.Connect(t.Context(), client, address); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { client.Close() })
			}
			test(t, service, c)
		})
	}
}

func TestMetadataBothWays(t *testing.T) {
	overEveryTransport(t, func(t *testing.T, _ *notesServer, c *notesClient) {
		want := map[string]string{"tenant": "acme", "Tenant": "is another key", "empty": "", "Größe": "größer", "twice": "the last"}
		ctx := hotline.WithMetadata(t.Context(), "twice", "the first")
		for key, value := range want {
			ctx = hotline.WithMetadata(ctx, key, value)
		}
		var reply hotline.Metadata
		asks := hotline.WithReplyMetadata(ctx, &reply)
		wantReply := func(what string, want map[string]string) {
			t.Helper()
			if len(reply) != len(want) {
				t.Errorf("%s: got %q", what, reply)
			}
			for key, value := range want {
				if reply[key] != "["+value+"]" {
					t.Errorf("%s: got %q", what, reply)
				}
			}
		}
		if got, err := c.Notes(asks); err != nil || !maps.Equal(got, want) {
			t.Errorf("Notes: got %q, %v", got, err)
		}
		wantReply("Notes", want)
		if got, err := c.Raw(asks, nil); err != nil || string(got) != fmt.Sprint(want) {
			t.Errorf("Raw: got %s, %v", got, err)
		}
		wantReply("Raw", want)
		var got map[string]string
		if err := c.Call(asks, "Notes", &got); err != nil || !maps.Equal(got, want) {
			t.Errorf("Call: got %q, %v", got, err)
		}
		wantReply("Call", want)
		if n, err := c.Plain(asks, 5); err != nil || n != 5 || reply != nil {
			t.Errorf("Plain: got %d, %v, and the reply's metadata %q", n, err, reply)
		}

		// Without asking; then asking without sending.
		if got, err := c.Notes(ctx); err != nil || !maps.Equal(got, want) || reply != nil {
			t.Errorf("Notes: got %q, %v and %q, which was not asked for", got, err, reply)
		}
		if got, err := c.Notes(t.Context()); err != nil || got != nil {
			t.Errorf("Notes without metadata: got %q, %v", got, err)
		}
		only := hotline.WithReplyMetadata(t.Context(), &reply)
		if note, err := c.Set(only, "key", 3); err != nil || note != "" || !maps.Equal(reply, map[string]string{"first": "1", "key": "vvv"}) {
			t.Errorf("Set: got %q, %q, %v", reply, note, err)
		}

		// Beside an error too.
		failing := hotline.WithMetadata(only, "fail", "as asked")
		if _, err := c.Notes(failing); err == nil || err.Error() != "as asked" {
			t.Errorf("Notes that fails: got %v", err)
		}
		wantReply("Notes that fails", map[string]string{"fail": "as asked"})
		if _, err := c.Notes(ctx); err != nil {
			t.Errorf("Notes after it: %v", err)
		}
	})
}

// streamedNotes makes each kind of call that streams, and returns what the method says came.
var streamedNotes = map[string]func(ctx context.Context, c *notesClient) (string, error){
	"Items": func(ctx context.Context, c *notesClient) (string, error) {
		all, err := collect(c.Items(ctx))
		return fmt.Sprint(all), err
	},
	"Upload": func(ctx context.Context, c *notesClient) (string, error) {
		got, err := c.Upload(ctx, slices.Values([]any{1, "two"}))
		return fmt.Sprint(got), err
	},
	"Both": func(ctx context.Context, c *notesClient) (string, error) {
		all, err := collect(c.Both(ctx, slices.Values([]any{1, "two"})))
		return fmt.Sprint(all), err
	},
	"Bytes": func(ctx context.Context, c *notesClient) (string, error) {
		r, err := c.Bytes(ctx)
		if err != nil {
			return "", err
		}
		defer r.Close()
		all, err := io.ReadAll(r)
		return string(all), err
	},
}

// Metadata goes both ways beside streams, and beside their errors.
func TestMetadataOfStreams(t *testing.T) {
	overEveryTransport(t, func(t *testing.T, _ *notesServer, c *notesClient) {
		for name, call := range streamedNotes {
			var reply hotline.Metadata
			asks := hotline.WithReplyMetadata(hotline.WithMetadata(t.Context(), "key", "value"), &reply)
			if got, err := call(asks, c); err != nil || !strings.Contains(got, "key") || !strings.Contains(got, "value") ||
				!maps.Equal(reply, map[string]string{"key": "[value]"}) {
				t.Errorf("%s: got %q, %v, and the reply's metadata %q", name, got, err, reply)
			}
			reply = nil
			if _, err := call(hotline.WithMetadata(asks, "fail", "as asked"), c); err == nil || err.Error() != "as asked" ||
				!maps.Equal(reply, map[string]string{"key": "[value]", "fail": "[as asked]"}) {
				t.Errorf("%s that fails: got %v, and the reply's metadata %q", name, err, reply)
			}
		}
	})
}

// What came with the call before is not left where nothing came.
func TestStaleReplyMetadata(t *testing.T) {
	overEveryTransport(t, func(t *testing.T, _ *notesServer, c *notesClient) {
		var reply hotline.Metadata
		ctx := hotline.WithReplyMetadata(hotline.WithMetadata(t.Context(), "key", "value"), &reply)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		unsent := slices.Values([]any{1, make(chan int)})
		for name, call := range map[string]func(){
			"a stream that is left": func() {
				for range c.Items(ctx) {
					break
				}
			},
			"a reader that is left": func() {
				if r, err := c.Bytes(ctx); err == nil {
					r.Close()
				}
			},
			"an item that can't be sent": func() { c.Upload(ctx, unsent) },
			"a stream that is nil":       func() { c.Upload(ctx, nil) },
			"a context that has ended":   func() { c.Notes(ended) },
			"no such method":             func() { c.Call(ctx, "None", nil) },
		} {
			reply = hotline.Metadata{"from": "before"}
			if call(); reply != nil {
				t.Errorf("%s: got %q", name, reply)
			}
		}
	})
}

// Nor where an interceptor has refused the call.
func TestStaleReplyMetadataOfARefusedCall(t *testing.T) {
	refuse := func(context.Context, *hotline.Call, func(context.Context) error) error { return hotline.ErrNotExecuted }
	srv := new(hotline.Server)
	dir := serve(t, srv, new(notesServer))
	var c notesClient
	if err := (&hotline.Dialer{Dir: dir, Interceptors: []hotline.Interceptor{refuse}}).Connect(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	reply := hotline.Metadata{"from": "before"}
	if _, err := c.Notes(hotline.WithReplyMetadata(t.Context(), &reply)); !errors.Is(err, hotline.ErrNotExecuted) || reply != nil {
		t.Errorf("got %v, and the reply's metadata %q", err, reply)
	}
}

// At the limit metadata goes both ways; a byte more is an error that names the key and the sizes, before anything is sent
// or at the method that sets it.
func TestMetadataLimit(t *testing.T) {
	overEveryTransport(t, func(t *testing.T, _ *notesServer, c *notesClient) {
		most := wire.MaxMetadata - wire.MetadataSize(map[string]string{"first": "1", "key": ""})
		ctx := hotline.WithMetadata(t.Context(), "first", "1")
		full := hotline.WithMetadata(ctx, "key", strings.Repeat("v", most))
		if got, err := c.Notes(full); err == nil || !strings.Contains(err.Error(), `reply metadata: key "`) {
			t.Errorf("Notes with metadata at the limit, whose reply has more: got %d pairs, %v", len(got), err)
		}
		if got, _, err := c.Left(full); err != nil || len(got) != 2 || len(got["key"]) != most {
			t.Errorf("Left with metadata at the limit: got %d pairs, %v", len(got), err)
		}
		var reply hotline.Metadata
		asks := hotline.WithReplyMetadata(t.Context(), &reply)
		if note, err := c.Set(asks, "key", most); err != nil || note != "" || len(reply["key"]) != most {
			t.Errorf("Set at the limit: got %q, %v", note, err)
		}
		want := fmt.Sprintf(`metadata: key "key" with a value of %d bytes: message too large: %d bytes of metadata, the limit is 16384`, most+1, wire.MaxMetadata+1)
		if note, err := c.Set(asks, "key", most+1); err != nil || note != "hotline: reply "+want || !maps.Equal(reply, map[string]string{"first": "1"}) {
			t.Errorf("Set over the limit: got %q, %q, %v", reply, note, err)
		}
		if note, err := c.Set(asks, "", 1); err != nil || !strings.Contains(note, `key of the value "v" is empty`) {
			t.Errorf("Set of an empty key: got %q, %v", note, err)
		}

		over := hotline.WithMetadata(ctx, "key", strings.Repeat("v", most+1))
		for _, ctx := range []context.Context{over, hotline.WithMetadata(over, "another", "")} {
			_, err := c.Notes(ctx)
			if !errors.Is(err, hotline.ErrNotExecuted) || !errors.Is(err, hotline.ErrTooLarge) || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("Notes with metadata over the limit: got %v", err)
			}
			if err := c.Call(ctx, "Notes", nil); !errors.Is(err, hotline.ErrNotExecuted) || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("Call with metadata over the limit: got %v", err)
			}
		}
		if _, err := c.Notes(hotline.WithMetadata(ctx, "", "v")); !errors.Is(err, hotline.ErrNotExecuted) || !strings.Contains(err.Error(), "is empty") {
			t.Errorf("Notes with an empty key: got %v", err)
		}
	})
}

// Metadata can be set as long as the method runs.
func TestReplyMetadataTooLate(t *testing.T) {
	overEveryTransport(t, func(t *testing.T, s *notesServer, c *notesClient) {
		ctx, cancel := context.WithCancel(hotline.WithMetadata(t.Context(), "key", "value"))
		ended := make(chan error, 1)
		go func() { ended <- c.Wait(ctx) }()
		method := <-s.began
		if err := hotline.SetReplyMetadata(method, "in", "time"); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		wait.Until(t, "the method to have returned", func() bool { return hotline.SetReplyMetadata(method, "too", "late") != nil })
		if got := hotline.IncomingMetadata(method); got["key"] != "value" {
			t.Errorf("got %q", got)
		}
	})
	if err := hotline.SetReplyMetadata(t.Context(), "key", "value"); err != nil {
		t.Errorf("SetReplyMetadata where nothing is answered: %v", err)
	}
	if got := hotline.IncomingMetadata(hotline.WithMetadata(t.Context(), "key", "value")); got != nil {
		t.Errorf("IncomingMetadata where nothing is answered: got %q", got)
	}
}

// Of what came with a call, the calls that its method makes send the trace alone, as it is, and what they are asked to.
func TestMetadataOfNestedCalls(t *testing.T) {
	const parent, state = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", " whatever,=this is;\xff "
	overEveryTransport(t, func(t *testing.T, _ *notesServer, c *notesClient) {
		ctx := hotline.WithMetadata(t.Context(), "secret", "x")
		traced := hotline.WithMetadata(hotline.WithMetadata(ctx, "traceparent", parent), "tracestate", state)
		long := strings.Repeat("x", 512)
		for _, test := range []struct {
			ctx  context.Context
			key  string
			want map[string]string
		}{
			{t.Context(), "", nil},
			{ctx, "", nil},
			{ctx, "key", map[string]string{"key": "asked"}},
			{traced, "", map[string]string{"traceparent": parent, "tracestate": state}},
			{traced, "key", map[string]string{"traceparent": parent, "tracestate": state, "key": "asked"}},
			{traced, "traceparent", map[string]string{"traceparent": "asked", "tracestate": state}},
			{hotline.WithMetadata(t.Context(), "Traceparent", parent), "", nil},
			{hotline.WithMetadata(traced, "tracestate", long), "", map[string]string{"traceparent": parent, "tracestate": long}},
			{hotline.WithMetadata(traced, "tracestate", long+"x"), "", map[string]string{"traceparent": parent}},
		} {
			if got, _, err := c.Outer(test.ctx, test.key); err != nil || !maps.Equal(got, test.want) {
				t.Errorf("Outer(%q): got %q, %v, want %q", test.key, got, err, test.want)
			}
		}
	})
}

// A nested call has what is left of its caller's time, and ends when the outermost caller gives up, with or without
// metadata.
func TestNestedCallsInheritTheDeadline(t *testing.T) {
	overEveryTransport(t, func(t *testing.T, s *notesServer, c *notesClient) {
		for _, base := range []context.Context{context.Background(), hotline.WithMetadata(context.Background(), "traceparent", "x")} {
			if _, left, err := c.Outer(base, ""); err != nil || left != -1 {
				t.Errorf("without a deadline: got %v, %v", left, err)
			}
			ctx, cancel := context.WithTimeout(base, time.Hour)
			if _, left, err := c.Outer(ctx, ""); err != nil || left <= 0 || left > time.Hour {
				t.Errorf("with an hour: got %v, %v", left, err)
			}
			cancel()

			ctx, cancel = context.WithCancel(base)
			ended := make(chan error, 1)
			go func() { ended <- c.OuterWait(ctx) }()
			method := <-s.began
			child, stop := context.WithCancel(method) // ends with it
			defer stop()
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) || !errors.Is(err, hotline.ErrMaybeExecuted) {
				t.Errorf("cancelled: got %v", err)
			}
			<-child.Done()
			if method.Err() != context.Canceled {
				t.Errorf("the nested method's context ended by %v", method.Err())
			}
		}
		for _, base := range []context.Context{context.Background(), hotline.WithMetadata(context.Background(), "traceparent", "x")} {
			ctx, cancel := context.WithTimeout(base, 20*time.Millisecond)
			if err := c.OuterWait(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after its deadline: got %v", err)
			}
			cancel()
		}
	})
}

// tornMetadata is what nobody sends who keeps to the protocol.
var tornMetadata = [][]byte{
	{0}, {1, 0, 0, 0}, {0, 0, 0, 0, 1}, []byte("\xff\xff\xff\xff\x01\x00\x00\x00a"), []byte("\x01\x00\x00\x00\x01\x00\x00\x00a\xff\xff\xff\xff"),
	[]byte("\x02\x00\x00\x00\x01\x00\x00\x00a\x00\x00\x00\x00\x01\x00\x00\x00a\x00\x00\x00\x00"), []byte("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
	slices.Repeat([]byte{0xff}, wire.MaxMetadata),
}

// A call whose metadata is torn is not executed, and says why; others are none the worse.
func TestTornMetadataOfACall(t *testing.T) {
	dir := serve(t, new(hotline.Server), &notesServer{})
	conn, err := nettcp.Dial(t.Context(), "unix", strings.TrimPrefix(addressOf(t, dir, "unix"), "unix://"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := link.Greet(t.Context(), conn, &wire.Hello{Oldest: wire.Version, Newest: wire.Version, MaxMessage: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	client, err := link.NewClient(conn, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	notes := uint16(slices.IndexFunc(w.Methods, func(m wire.Method) bool { return m.Name == "Notes" }))
	call := func(metadata []byte) error {
		reply, err := client.Call(t.Context(), &link.Request{Method: notes, Metadata: metadata, Payload: []byte{0x90}})
		reply.Release()
		return err
	}
	for _, torn := range tornMetadata {
		var refused *wire.Error
		if err := call(torn); !errors.As(err, &refused) || refused.Code != wire.CodeBadArguments || !strings.Contains(err.Error(), "metadata: ") {
			t.Errorf("%.40x: got %v", torn, err)
		}
		if err := call(wire.AppendMetadata(nil, hotline.Metadata{"a": "b"})); err != nil {
			t.Errorf("after %.40x: %v", torn, err)
		}
	}
}

// A reply whose metadata is torn is an error where it was asked for.
func TestTornMetadataOfAReply(t *testing.T) {
	var torn []byte
	address := serveByHand(t, wire.Method{Name: "Plain", Codec: "msgpack", Arguments: "(int)", Results: "(int)"},
		handlerFunc(func(_ context.Context, c *link.Incoming) error {
			c.Reply, c.ReplyMetadata = c.Payload, torn
			return nil
		}), nil)
	c, err := new(hotline.Dialer).Dial(t.Context(), "by_hand", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, torn = range tornMetadata {
		reply := hotline.Metadata{"from": "before"}
		n := 0
		err := c.Call(hotline.WithReplyMetadata(t.Context(), &reply), "Plain", &n, 7)
		if err == nil || !strings.Contains(err.Error(), "hotline: Plain: reply: protocol error: metadata: ") || reply != nil {
			t.Errorf("%.40x: got %q, %v", torn, reply, err)
		}
		if errors.Is(err, hotline.ErrNotExecuted) || n != 0 {
			t.Errorf("%.40x: got %d, %v", torn, n, err)
		}
		if err := c.Call(t.Context(), "Plain", &n, 7); err != nil || n != 7 {
			t.Errorf("without asking: got %d, %v", n, err)
		}
	}
}
