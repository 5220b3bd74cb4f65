package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/rpc"
	"path/filepath"
	"strings"
	"testing"

	"hotline"
	"hotline/shm"
)

// Arith is a receiver as the documentation of net/rpc has it.
type Arith struct{ kept []*int }

type Args struct{ A, B int }

type Quotient struct{ Quo, Rem int }

func (t *Arith) Multiply(args *Args, reply *int) error {
	*reply = args.A * args.B
	t.kept = append(t.kept, reply)
	return nil
}

func (t *Arith) Divide(args Args, quo *Quotient) error {
	if args.B == 0 {
		return errors.New("divide by zero")
	}
	quo.Quo, quo.Rem = args.A/args.B, args.A%args.B
	return nil
}

// Count expects what net/rpc gives: a map that is there.
func (t *Arith) Count(words []string, reply *map[string]int) error {
	for _, w := range words {
		(*reply)[w]++
	}
	return nil
}

func (t *Arith) Kept(_ struct{}, reply *[]int) error {
	for _, p := range t.kept {
		*reply = append(*reply, *p)
	}
	return nil
}

// What follows net/rpc does not serve.
func (t *Arith) Helper(int) int                          { return 0 }
func (t *Arith) Hidden(*hiddenArgs, *int) error          { return nil }
func (t *Arith) Value(*Args, int) error                  { return nil }
func (t *Arith) Late(context.Context, *Args, *int) error { return nil }

type hiddenArgs struct{}

type arithClient struct {
	hotline.ClientMethodsBase `name:"Arith"`

	Multiply func(ctx context.Context, args Args) (int, error)
	Divide   func(ctx context.Context, args *Args) (Quotient, error)
	Count    func(ctx context.Context, words []string) (map[string]int, error)
	Kept     func(ctx context.Context, _ struct{}) ([]int, error)
}

func TestNetRPC(t *testing.T) {
	for _, codec := range []string{"", "json", "cbor", "gob"} {
		t.Run("codec "+codec, func(t *testing.T) {
			dir := serve(t, new(hotline.Server), &hotline.NetRPC{Receiver: new(Arith), Port: "arith", Codec: codec})
			ctx := t.Context()
			untyped := dial(t, dir, "Arith")
			var names []string
			for _, m := range untyped.Service().Methods {
				names = append(names, m.Name)
			}
			if got, want := strings.Join(names, " "), "Count Divide Kept Multiply"; got != want {
				t.Fatalf("methods: got %s, want %s", got, want)
			}
			var c struct {
				arithClient
			}
			d := &hotline.Dialer{Dir: dir}
			if codec == "" {
				if err := d.Connect(ctx, &c.arithClient); err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				testArith(t, &c.arithClient)
			}
			var quotient Quotient
			if err := untyped.Call(ctx, "Divide", &quotient, Args{17, 5}); err != nil || quotient != (Quotient{3, 2}) {
				t.Errorf("Call(Divide, 17, 5): got %v, %v", quotient, err)
			}
			if err := untyped.Call(ctx, "Divide", &quotient, Args{1, 0}); err == nil || err.Error() != "divide by zero" {
				t.Errorf("Call(Divide, 1, 0): got %v", err)
			}
		})
	}
}

// Modulus has its methods on the value.
type Modulus int

func (m Modulus) Reduce(n int, reply *int) error { *reply = n % int(m); return nil }

// Gauge is a value that is no pointer either, though it refers to something.
type Gauge map[string]int

func (g Gauge) Read(name string, reply *int) error { *reply = g[name]; return nil }

// TestNetRPCReceiverIsAValue: package net/rpc takes a receiver that is no pointer.
func TestNetRPCReceiverIsAValue(t *testing.T) {
	dir := serve(t, new(hotline.Server), &hotline.NetRPC{Receiver: Modulus(7), Port: "modulus"},
		&hotline.NetRPC{Receiver: Gauge{"depth": 4}, Port: "gauge"})
	for _, c := range []struct {
		service, method string
		arg             any
		want            int
	}{
		{"Modulus", "Reduce", 25, 4},
		{"Gauge", "Read", "depth", 4},
	} {
		var got int
		if err := dial(t, dir, c.service).Call(t.Context(), c.method, &got, c.arg); err != nil || got != c.want {
			t.Errorf("%s.%s(%v): got %d, %v, want %d", c.service, c.method, c.arg, got, err, c.want)
		}
	}
}

func testArith(t *testing.T, c *arithClient) {
	ctx := t.Context()
	for i := range 3 {
		if got, err := c.Multiply(ctx, Args{7, i}); err != nil || got != 7*i {
			t.Errorf("Multiply(7, %d): got %v, %v", i, got, err)
		}
	}
	if got, err := c.Divide(ctx, &Args{17, 5}); err != nil || got != (Quotient{3, 2}) {
		t.Errorf("Divide(17, 5): got %v, %v", got, err)
	}
	if got, err := c.Count(ctx, []string{"a", "b", "a"}); err != nil || fmt.Sprint(got) != "map[a:2 b:1]" {
		t.Errorf("Count: got %v, %v", got, err)
	}
	// What a method keeps of its reply is its own: later calls have not changed it.
	if got, err := c.Kept(ctx, struct{}{}); err != nil || fmt.Sprint(got) != "[0 7 14]" {
		t.Errorf("Kept: got %v, %v", got, err)
	}
}

type (
	// Plain has its methods on the pointer.
	Plain  int
	Silent struct{}
	// Channels has a result that no codec can send.
	Channels struct{}
)

func (*Plain) Double(n int, reply *int) error            { *reply = 2 * n; return nil }
func (Channels) Open(name string, reply *chan int) error { return nil }

func TestNetRPCRefuses(t *testing.T) {
	for _, c := range []struct {
		service *hotline.NetRPC
		want    string // in the error
	}{
		{&hotline.NetRPC{Port: "1"}, "Receiver is nil: set it"},
		{&hotline.NetRPC{Receiver: (*Plain)(nil), Port: "1"}, "Receiver is nil"},
		{&hotline.NetRPC{Receiver: new(Plain)}, "needs a Port"},
		{&hotline.NetRPC{Receiver: new(Plain), Port: "70000"}, "65535"},
		{&hotline.NetRPC{Receiver: new(Plain), Port: "1", Codec: "yaml"}, `unknown codec "yaml"`},
		{&hotline.NetRPC{Receiver: new(Plain), Port: "1", Codec: "raw"}, "Plain.Double: codec raw takes one []byte"},
		{&hotline.NetRPC{Receiver: new(Plain), Port: "1", Version: "one"}, "one"},
		{&hotline.NetRPC{Receiver: Plain(1), Port: "1"}, "pass a pointer"},
		{&hotline.NetRPC{Receiver: Silent{}, Port: "1"}, "no method func(args A, reply *R) error"},
		{&hotline.NetRPC{Receiver: Channels{}, Port: "1"}, "Channels.Open"},
		{&hotline.NetRPC{Receiver: struct{ Plain }{}, Port: "1"}, "a Name where"},
	} {
		var srv hotline.Server
		if err := srv.Register(c.service); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Register(%+v): got %v, want it to say %q", c.service, err, c.want)
		}
	}
}

// TestNetRPCOverStream: package net/rpc itself, client and server, over shared memory.
func TestNetRPCOverStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "arith")
	ln, err := shm.ListenStream(path, nil)
	if errors.Is(err, shm.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer()
	if err := server.Register(new(Arith)); err != nil {
		t.Fatal(err)
	}
	accepting := make(chan struct{})
	go func() { defer close(accepting); server.Accept(ln) }()
	conn, err := shm.DialStream(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := rpc.NewClient(conn)
	var product int
	if err := client.Call("Arith.Multiply", &Args{7, 8}, &product); err != nil || product != 56 {
		t.Errorf("Arith.Multiply(7, 8): got %v, %v", product, err)
	}
	client.Close()
	ln.Close()
	<-accepting
}

// A receiver of package net/rpc, served as it is.
func ExampleNetRPC() {
	dir, stop := serveExample(new(hotline.Server), &hotline.NetRPC{Receiver: new(Arith), Port: "arith"}, "Arith")
	defer stop()
	ctx := context.Background()

	var arith arithClient
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(ctx, &arith); err != nil {
		log.Fatal(err)
	}
	defer arith.Close()
	product, err := arith.Multiply(ctx, Args{7, 8})
	fmt.Println(product, err)
	_, err = arith.Divide(ctx, &Args{7, 0})
	fmt.Println(err)
	// Output:
	// 56 <nil>
	// divide by zero
}
