package hotline_test

import (
	"context"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"

	"hotline"
)

type (
	noBase struct{}
	noTag  struct{ hotline.ServerMethodsBase }
	badKey struct {
		hotline.ServerMethodsBase `port:"1" name:"a" colour:"red"`
	}
	badPort struct {
		hotline.ServerMethodsBase `port:"70000" name:"a"`
	}
	noMethods struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	variadic struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	channel struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	seqResult struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	seqAndError struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	seqAndMore struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	seqOfPairs struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	earlySeq struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	seqOfChannels struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	readerResult struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	closerArgument struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	readerAndInt struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	readerJSON struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
		sharedReader
	}
	lateContext struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	earlyError struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	badStart struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
	}
	badExcept struct {
		hotline.ServerMethodsBase `port:"1" name:"a" except:"Gone"`
	}
	missing struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
		sharedPair
	}
	badCodec struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
		sharedCodec
	}
	badRaw struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
		sharedRaw
	}
	twins struct {
		hotline.ServerMethodsBase `port:"1" name:"a"`
		sharedTwins
	}
	sharedPair  struct{ One, Two func() error }
	sharedCodec struct {
		One func() error `codec:"yaml"`
	}
	sharedRaw struct {
		One func(int) error `codec:"raw"`
	}
	sharedReader struct {
		One func(io.Reader) error `codec:"json"`
	}
	sharedTwins struct {
		One func() error `name:"Same"`
		Two func() error `name:"Same"`
	}
)

func (*noBase) One()                  {}
func (*noTag) One()                   {}
func (*badKey) One()                  {}
func (*badPort) One()                 {}
func (*variadic) One(...int)          {}
func (*channel) One(chan int)         {}
func (*seqResult) One() iter.Seq[int] { return nil }
func (*seqAndError) One() (iter.Seq2[int, error], error) {
	return nil, nil
}
func (*seqAndMore) One() (iter.Seq2[int, error], int) { return nil, 0 }
func (*seqOfPairs) One(iter.Seq2[int, string])        {}
func (*earlySeq) One(iter.Seq[int], int)              {}
func (*seqOfChannels) One(iter.Seq[chan int])         {}
func (*readerResult) One() (io.Reader, error)         { return nil, nil }
func (*closerArgument) One(io.ReadCloser)             {}
func (*readerAndInt) One(int, io.Reader)              {}
func (*readerJSON) One(io.Reader) error               { return nil }
func (*lateContext) One(int, context.Context)         {}
func (*earlyError) One() (error, int)                 { return nil, 0 } //lint:ignore ST1008 the wrong order is the point
func (*badStart) Start()                              {}
func (*badStart) One()                                {}
func (*badExcept) One()                               {}
func (*missing) One() error                           { return nil }
func (*badCodec) One() error                          { return nil }
func (*badRaw) One(int) error                         { return nil }
func (*twins) One() error                             { return nil }
func (*twins) Two() error                             { return nil }

func TestRegisterRefuses(t *testing.T) {
	var nilService *noTag
	for _, c := range []struct {
		service any
		want    []string // in the error: what, and the mend
	}{
		{noTag{}, []string{"noTag", "pass &T{}"}},
		{nilService, []string{"noTag", "non-nil"}},
		{nil, []string{"nil"}},
		{&noBase{}, []string{"noBase", "does not embed hotline.ServerMethodsBase", "add the field"}},
		{&noTag{}, []string{"noTag", "needs port and name"}},
		{&badKey{}, []string{`unknown key "colour"`, "known are port"}},
		{&badPort{}, []string{"70000", "65535"}},
		{&noMethods{}, []string{"noMethods", "no exported method"}},
		{&variadic{}, []string{"variadic.One", "take a slice instead"}},
		{&channel{}, []string{"channel.One", "chan int", `except:"One"`}},
		{&seqResult{}, []string{"seqResult.One", "iter.Seq[int]", "is iter.Seq2[T, error] or io.ReadCloser"}},
		{&seqAndError{}, []string{"seqAndError.One", "carries its own error"}},
		{&seqAndMore{}, []string{"seqAndMore.One", "only result"}},
		{&seqOfPairs{}, []string{"seqOfPairs.One", "iter.Seq2[int,string]", "iter.Seq2[T, error]"}},
		{&earlySeq{}, []string{"earlySeq.One", "must be the last parameter"}},
		{&seqOfChannels{}, []string{"seqOfChannels.One", "item of iter.Seq[chan int]", "chan int can't travel"}},
		{&readerResult{}, []string{"readerResult.One", "io.Reader", "io.ReadCloser"}},
		{&closerArgument{}, []string{"closerArgument.One", "io.ReadCloser", "or io.Reader"}},
		{&readerAndInt{}, []string{"readerAndInt.One", "codec raw takes one []byte"}},
		{&readerJSON{}, []string{"readerJSON.One", "need codec raw, not json"}},
		{&lateContext{}, []string{"lateContext.One", "must be the first parameter"}},
		{&earlyError{}, []string{"earlyError.One", "error must be the last result"}},
		{&badStart{}, []string{"badStart", "Start must be func(context.Context) error"}},
		{&badExcept{}, []string{"badExcept", "Gone", "take it out"}},
		{&missing{}, []string{"missing", "Two", "add it"}},
		{&badCodec{}, []string{"badCodec.One", `unknown codec "yaml"`, "msgpack"}},
		{&badRaw{}, []string{"badRaw.One", "codec raw", "another codec"}},
		{&twins{}, []string{"One", "Two", `"Same"`, "name tag"}},
	} {
		var srv hotline.Server
		err := srv.Register(c.service)
		if err == nil {
			t.Errorf("Register(%T): got no error, want one with %q", c.service, c.want)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Register(%T): got %q, want it to say %q", c.service, err, want)
			}
		}
	}
}

// exceptional leaves out methods that are not its own.
type exceptional struct {
	hotline.ServerMethodsBase `port:"1" name:"a" except:"Lock, Unlock, TryLock"`
	sync.Mutex
}

func (*exceptional) One() int { return 1 }

func TestExceptLeavesMethodsOut(t *testing.T) {
	var srv hotline.Server
	dir := serve(t, &srv, new(exceptional))
	c := dial(t, dir, "a")
	if methods := c.Service().Methods; len(methods) != 1 || methods[0].Name != "One" {
		t.Errorf("methods: got %v, want One alone", methods)
	}
}

type (
	clientNoBase struct{ One func() error }
	clientNoTag  struct {
		hotline.ClientMethodsBase
		One func() error
	}
	clientNoError struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		Sum                       func(int, int) int
	}
	clientBadTag struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		Sum                       func(int, int) (int, error) `timeout:"soon"`
	}
	clientEmpty struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
	}
	clientReserved struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		Call                      func() error
	}
	clientMissing struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		Product                   func(int, int) (int, error)
	}
	clientOneway struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		Sum                       func(int, int) (int, error) `oneway:"true"`
	}
	clientOnewayTag struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		Panic                     func() error `oneway:"yes"`
	}
	clientCodec struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		Sum                       func(int, int) (int, error) `codec:"json"`
	}
	clientCount struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		Sum                       func(int) (int, error)
	}
	clientTypes struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		Sum                       func(int, string) (int, error)
		Point                     func(struct{ X, Y string }) (point, error) `codec:"gob"`
	}
	clientVersion struct {
		hotline.ClientMethodsBase `name:"echo_serv" port:"5555" version:"2"`
		Sum                       func(int, int) (int, error)
	}
	clientPointer struct {
		hotline.ClientMethodsBase `name:"echo_serv"`
		*echoMethods
	}
	clientBasePointer struct{ *echoClient }
	clientPort        struct {
		hotline.ClientMethodsBase `name:"other" port:"5555"`
		Sum                       func(int, int) (int, error)
	}
)

func TestConnectRefuses(t *testing.T) {
	srv := &hotline.Server{TCPBind: "127.0.0.1:0"}
	dir := serve(t, srv, new(echoServer))
	tcp := addressOf(t, dir, "tcp")
	for _, c := range []struct {
		client  any
		address string
		want    []string
	}{
		{clientNoTag{}, "", []string{"pass &client"}},
		{&clientNoBase{}, "", []string{"does not embed hotline.ClientMethodsBase"}},
		{&clientNoTag{}, "", []string{"needs a name or a port"}},
		{&clientNoError{}, "", []string{"Sum", "error as its last result"}},
		{&clientBadTag{}, "", []string{"Sum", `timeout "soon"`, "500ms"}},
		{&clientEmpty{}, "", []string{"no exported field of function type"}},
		{&clientReserved{}, "", []string{"Call", `name:"Call"`}},
		{&clientMissing{}, "", []string{"method Product", "none of that name", "echo_serv 1.2.0"}},
		{&clientOneway{}, "", []string{"Sum", "oneway does not wait", "take the oneway tag away"}},
		{&clientOnewayTag{}, "", []string{"Panic", `oneway "yes"`, `"true" or "false"`}},
		{&clientCodec{}, "", []string{"method Sum", "codec json here, msgpack there", `codec:"msgpack"`}},
		{&clientCount{}, "", []string{"method Sum", "here Sum(int)", "there Sum(context.Context, int, int)"}},
		{&clientTypes{}, "", []string{"method Sum", "argument 2", "string here, int there", "method Point", "X"}},
		{&clientPointer{}, "", []string{"field Sum", "nil pointer to embedded struct field echoMethods", "set the pointer first"}},
		{&clientBasePointer{}, "", []string{"nil pointer to embedded struct field echoClient", "embed the struct itself"}},
		{&clientVersion{}, "", []string{"no service echo_serv@2", "echo_serv (port 5555)"}},
		{&clientVersion{}, tcp, []string{"refused", "1.2.0", "wants 2"}},
		{&clientPort{}, tcp, []string{"refused", "echo_serv, not other"}},
		{&echoClient{}, "ipx://", []string{`unknown scheme "ipx"`, "auto://"}},
		{&echoClient{}, "localhost", []string{"no scheme"}},
		{&echoClient{}, "tcp://", []string{"no host"}},
		{&echoClient{}, "inproc://", []string{"Dialer.Server"}},
		{&echoClient{}, "tcp://127.0.0.1:1", []string{"127.0.0.1:1", "refused"}},
	} {
		d := &hotline.Dialer{Dir: dir}
		var addresses []string
		if c.address != "" {
			addresses = append(addresses, c.address)
		}
		err := d.Connect(t.Context(), c.client, addresses...)
		if err == nil {
			t.Errorf("Connect(%T, %q): got no error, want one with %q", c.client, c.address, c.want)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Connect(%T, %q): got %q, want it to say %q", c.client, c.address, err, want)
			}
		}
	}
}

// TestConnectFillsWhatPointersEmbed: the struct of functions, and all of a client, may be embedded by a pointer that is set.
func TestConnectFillsWhatPointersEmbed(t *testing.T) {
	d := &hotline.Dialer{Dir: serve(t, new(hotline.Server), new(echoServer))}
	shared, whole := &clientPointer{echoMethods: new(echoMethods)}, &clientBasePointer{new(echoClient)}
	for _, c := range []struct {
		client  any
		methods *echoMethods
		close   func() error
	}{
		{shared, shared.echoMethods, shared.Close},
		{whole, &whole.echoMethods, whole.Close},
	} {
		if err := d.Connect(t.Context(), c.client); err != nil {
			t.Fatal(err)
		}
		defer c.close()
		if got, err := c.methods.Sum(t.Context(), 2, 3); err != nil || got != 5 {
			t.Errorf("Sum by %T: got %d, %v", c.client, got, err)
		}
	}
}

// dial makes an untyped client for the test's own runtime directory.
func dial(t testing.TB, dir, service string, addresses ...string) *hotline.Client {
	t.Helper()
	d := &hotline.Dialer{Dir: dir}
	c, err := d.Dial(t.Context(), service, addresses...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
