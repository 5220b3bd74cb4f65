package hotline_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"hotline"
)

// placedServer has a method of each form that a Buffer may go through.
type placedServer struct {
	hotline.ServerMethodsBase `port:"5561" name:"placed"`
	kept                      chan []byte // by Keep: a copy of what it got
}

// Echo returns its argument.
func (*placedServer) Echo(_ context.Context, b *hotline.Buffer) (*hotline.Buffer, error) {
	return b, nil
}

// Flip changes its argument where it is.
func (*placedServer) Flip(b *hotline.Buffer) *hotline.Buffer {
	flip(b.Bytes())
	return b
}

// Copy returns another Buffer than it gets.
func (*placedServer) Copy(ctx context.Context, b *hotline.Buffer) (*hotline.Buffer, error) {
	out := hotline.NewBuffer(ctx, b.Len())
	copy(out.Bytes(), b.Bytes())
	return out, nil
}

// Keep returns nothing.
func (s *placedServer) Keep(b *hotline.Buffer) { s.kept <- bytes.Clone(b.Bytes()) }

// Make takes nothing.
func (*placedServer) Make(ctx context.Context) (*hotline.Buffer, error) {
	b := hotline.NewBuffer(ctx, 1<<20)
	copy(b.Bytes(), message(1<<20))
	b.Truncate(100_000)
	return b, nil
}

// ToBytes and ToBuffer have a Buffer on one side only.
func (*placedServer) ToBytes(b *hotline.Buffer) ([]byte, error) { return bytes.Clone(b.Bytes()), nil }
func (*placedServer) ToBuffer(ctx context.Context, b []byte) (*hotline.Buffer, error) {
	out := hotline.NewBuffer(ctx, len(b))
	copy(out.Bytes(), b)
	return out, nil
}

// Plain has none.
func (*placedServer) Plain(_ context.Context, b []byte) ([]byte, error) { return b, nil }

// Fail returns an error beside a Buffer, and Panic does not return.
func (*placedServer) Fail(b *hotline.Buffer) (*hotline.Buffer, error) { return b, errRaw }
func (*placedServer) Panic(*hotline.Buffer)                           { panic("as asked") }

// Twice returns what it has released.
func (*placedServer) Twice(b *hotline.Buffer) (*hotline.Buffer, error) {
	b.Release()
	return b, nil
}

type placedClient struct {
	hotline.ClientMethodsBase `name:"placed"`
	Echo                      func(context.Context, *hotline.Buffer) (*hotline.Buffer, error)
	Flip                      func(context.Context, *hotline.Buffer) (*hotline.Buffer, error)
	Copy                      func(*hotline.Buffer) (*hotline.Buffer, error)
	Keep                      func(context.Context, *hotline.Buffer) error
	Make                      func() (*hotline.Buffer, error)
	ToBytes                   func(context.Context, *hotline.Buffer) (*hotline.Buffer, error)
	ToBuffer                  func(context.Context, *hotline.Buffer) ([]byte, error)
	Plain                     func(context.Context, *hotline.Buffer) (*hotline.Buffer, error)
	Fail                      func(*hotline.Buffer) (*hotline.Buffer, error)
	Panic                     func(*hotline.Buffer) error
	Twice                     func(*hotline.Buffer) (*hotline.Buffer, error)

	// The same method with []byte.
	EchoBytes func(context.Context, []byte) ([]byte, error) `codec:"raw" name:"Echo"`
}

// message returns n bytes that differ from place to place.
func message(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// flip inverts the bits of b at both ends.
func flip(b []byte) {
	for i := range min(len(b), 64) {
		b[i] = ^b[i]
	}
	for i := max(64, len(b)-64); i < len(b); i++ {
		b[i] = ^b[i]
	}
}

// placedSizes are small ones, that of a unit of blocks and what is next to it, and large ones.
var placedSizes = []int{0, 1, 100, 16 << 10, 16<<10 + 1, 100_000, 1 << 20}

// overEach runs a test over each way that a client has to a server.
func overEach(t *testing.T, service any, test func(t *testing.T, connect func(client any))) {
	srv := &hotline.Server{TCPBind: "127.0.0.1:0"}
	dir := serve(t, srv, service)
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			d, address := dialerBy(t, way, dir, srv)
			test(t, func(client any) {
				if err := d.Connect(t.Context(), client, address); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { client.(interface{ Close() error }).Close() })
			})
		})
	}
}

func TestBuffers(t *testing.T) {
	service := &placedServer{kept: make(chan []byte, 1)}
	large := message(17 << 20) // no arena has room for it
	overEach(t, service, func(t *testing.T, connect func(any)) {
		var c placedClient
		connect(&c)
		for _, n := range placedSizes {
			testBuffer(t, &c, service, large[:n:n])
		}
		b := c.NewBuffer(len(large))
		copy(b.Bytes(), large)
		if got, err := c.Copy(b); err != nil || !bytes.Equal(got.Bytes(), large) {
			t.Errorf("Copy of %d bytes: got %d, %v", len(large), got.Len(), err)
		}
		got, err := c.Make()
		if err != nil || !bytes.Equal(got.Bytes(), message(1 << 20)[:100_000]) {
			t.Errorf("Make: got %d bytes, %v", got.Len(), err)
		}
		got.Release()
	})
}

func testBuffer(t *testing.T, c *placedClient, service *placedServer, data []byte) {
	t.Helper()
	ctx := t.Context()
	fill := func() *hotline.Buffer {
		b := c.NewBuffer(len(data))
		copy(b.Bytes(), data)
		return b
	}
	flipped := bytes.Clone(data)
	flip(flipped)
	for name, call := range map[string]func(*hotline.Buffer) (*hotline.Buffer, error){
		"Echo":    func(b *hotline.Buffer) (*hotline.Buffer, error) { return c.Echo(ctx, b) },
		"Flip":    func(b *hotline.Buffer) (*hotline.Buffer, error) { return c.Flip(ctx, b) },
		"Copy":    c.Copy,
		"ToBytes": func(b *hotline.Buffer) (*hotline.Buffer, error) { return c.ToBytes(ctx, b) },
		"Plain":   func(b *hotline.Buffer) (*hotline.Buffer, error) { return c.Plain(ctx, b) },
	} {
		want := data
		if name == "Flip" {
			want = flipped
		}
		got, err := call(fill())
		if err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("%s of %d bytes: got %d, %v", name, len(data), got.Len(), err)
		}
		if again, err := call(got); err != nil || !bytes.Equal(again.Bytes(), data) { // what has come goes on
			t.Fatalf("%s of what %s returned, %d bytes: got %d, %v", name, name, len(data), again.Len(), err)
		} else {
			again.Release()
		}
	}
	for name, call := range map[string]func() ([]byte, error){
		"ToBuffer":  func() ([]byte, error) { return c.ToBuffer(ctx, fill()) },
		"EchoBytes": func() ([]byte, error) { return c.EchoBytes(ctx, data) },
		"Keep":      func() ([]byte, error) { err := c.Keep(ctx, fill()); return <-service.kept, err },
	} {
		if got, err := call(); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%s of %d bytes: got %d, %v", name, len(data), len(got), err)
		}
	}
	var remote *hotline.Error
	if got, err := c.Fail(fill()); got != nil || !errors.As(err, &remote) || remote.Code != hotline.CodeApplication {
		t.Errorf("Fail: got %v, %v", got, err)
	}
	if err := c.Panic(fill()); !errors.As(err, &remote) || remote.Code != hotline.CodePanic {
		t.Errorf("Panic: got %v", err)
	}
	if got, err := c.Twice(fill()); got != nil || !errors.As(err, &remote) || remote.Code != hotline.CodeBadResult {
		t.Errorf("Twice: got %v, %v", got, err)
	}
}

// A Buffer is used once.
func TestBufferGivenAway(t *testing.T) {
	overEach(t, new(placedServer), func(t *testing.T, connect func(any)) {
		var c placedClient
		connect(&c)
		b := c.NewBuffer(100_000)
		copy(b.Bytes(), message(100_000))
		got, err := c.Echo(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		b.Release() // does nothing
		if !bytes.Equal(got.Bytes(), message(100_000)) {
			t.Error("the reply changed when the argument was released once more")
		}
		if _, err := c.Echo(t.Context(), b); !errors.Is(err, hotline.ErrReleased) || !errors.Is(err, hotline.ErrNotExecuted) {
			t.Errorf("passed twice: got %v, want ErrReleased and ErrNotExecuted", err)
		}
		got.Release()
		got.Release()
		for name, use := range map[string]func(){
			"Bytes": func() { got.Bytes() }, "Len": func() { b.Len() }, "Truncate": func() { got.Truncate(0) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s of a Buffer that was given away: no panic", name)
					}
				}()
				use()
			}()
		}
	})
}

// Before there is a link, and where none is needed, a Buffer is memory.
func TestBufferWithoutLink(t *testing.T) {
	var c placedClient
	b := c.NewBuffer(10)
	if b.Len() != 10 || len(b.Bytes()) != 10 {
		t.Errorf("a Buffer of 10 bytes has %d", b.Len())
	}
	b.Truncate(3)
	if got := append(b.Bytes(), 1); b.Len() != 3 || len(got) != 4 {
		t.Errorf("cut to 3 bytes it has %d", b.Len())
	}
	b.Release()
	var none *hotline.Buffer
	none.Truncate(0)
	none.Release()
	if none.Bytes() != nil || none.Len() != 0 {
		t.Error("nil has bytes")
	}
}

// A Buffer that was made for a link that has ended goes over the next one.
func TestBufferOfEarlierLink(t *testing.T) {
	first := new(hotline.Server)
	dir := serve(t, first, new(placedServer))
	var c placedClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c, "shm://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	data := message(1 << 20)
	b := c.NewBuffer(len(data))
	copy(b.Bytes(), data)
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := &hotline.Server{Dir: dir, Logger: first.Logger, BufferMemory: -1}
	if err := second.Register(new(placedServer)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- second.Serve(context.Background()) }()
	waitReady(t, dir, 1, ended)
	got, err := c.Flip(t.Context(), b)
	if err != nil || got.Len() != len(data) || got.Bytes()[0] != ^data[0] || !bytes.Equal(got.Bytes()[64:len(data)-64], data[64:len(data)-64]) {
		t.Errorf("got %d bytes, %v", got.Len(), err)
	}
	got.Release()
	if err := second.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}
