package peer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/registry"
)

// service is what hotline's peers serve. Its name is what the registry knows it by.
const service = "bench"

// methods are what the hotline server and its clients share.
type methods struct {
	Echo func(ctx context.Context, data []byte) ([]byte, error) `codec:"raw"`
	Sum  func(ctx context.Context, a, b int) (int, error)       `codec:"msgpack"`

	EchoInPlace func(ctx context.Context, data *hotline.Buffer) (*hotline.Buffer, error) `codec:"raw"`
}

type hotlineServer struct {
	hotline.ServerMethodsBase `port:"7007" name:"bench" version:"1.0.0"`
	methods
}

func (*hotlineServer) Echo(_ context.Context, data []byte) ([]byte, error) { return data, nil }
func (*hotlineServer) EchoInPlace(_ context.Context, data *hotline.Buffer) (*hotline.Buffer, error) {
	return data, nil
}
func (*hotlineServer) Sum(_ context.Context, a, b int) (int, error) { return a + b, nil }

// hotlineClient is a struct of typed functions, as programs use it.
type hotlineClient struct {
	hotline.ClientMethodsBase `port:"7007" name:"bench"`
	methods
}

// Adder is a client that has a typed method beside the echo.
type Adder interface {
	Add(a, b int) (int, error)
}

var _ Adder = (*hotlineClient)(nil)

func hotlineBy(way string) Peer {
	return Peer{
		Name: "hotline " + way, Way: way, Kind: Hotline, Module: "hotline",
		Serve: func(ctx context.Context, dir string, ready func()) error { return serveHotline(ctx, dir, way, ready) },
		Dial:  func(ctx context.Context, dir string, _ Load) (Client, error) { return dialHotline(ctx, dir, way) },
	}
}

// hotlineBuffers echoes messages that are Buffers from the start to the end. The client copies what it is to send into
// one, as a program does that makes its message there. Over shared memory they are not copied on their way; over
// sockets they are memory that is used again, as the echoes by hand use theirs.
func hotlineBuffers(name, way string) Peer {
	p := hotlineBy(way)
	p.Name, p.Note = name, "*hotline.Buffer on both sides; the client fills it by a copy"
	dial := p.Dial
	p.Dial = func(ctx context.Context, dir string, l Load) (Client, error) {
		c, err := dial(ctx, dir, l)
		if err != nil {
			return nil, err
		}
		return bufferClient{c.(*hotlineClient)}, nil
	}
	return p
}

type bufferClient struct{ *hotlineClient }

func (c bufferClient) Caller() (Call, error) {
	ctx := context.Background()
	var echo *hotline.Buffer // the last one
	return func(data []byte) ([]byte, error) {
		echo.Release()
		buf := c.NewBuffer(len(data))
		copy(buf.Bytes(), data)
		var err error
		if echo, err = c.methods.EchoInPlace(ctx, buf); err != nil {
			return nil, err
		}
		return echo.Bytes(), nil
	}, nil
}

func serveHotline(ctx context.Context, dir, way string, ready func()) error {
	quiet := zerolog.Nop()
	s := &hotline.Server{Dir: dir, Logger: &quiet}
	if way == "tcp" {
		s.TCPBind = "127.0.0.1:0"
	}
	if err := s.Register(new(hotlineServer)); err != nil {
		return err
	}
	ready() // it is in the registry a little later: clients try until it is
	return s.Serve(ctx)
}

func dialHotline(ctx context.Context, dir, way string) (Client, error) {
	address := way + "://"
	if way == "tcp" {
		var err error
		if address, err = tcpAddress(dir); err != nil {
			return nil, err
		}
	}
	c := new(hotlineClient)
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(ctx, c, address); err != nil {
		return nil, err
	}
	return c, nil
}

// tcpAddress looks up on which free port the server listens.
func tcpAddress(dir string) (string, error) {
	d, err := registry.Open(dir)
	if err != nil {
		return "", err
	}
	instances, err := d.Lookup(service)
	if err != nil {
		return "", err
	}
	for _, i := range instances {
		for _, a := range i.Addresses {
			if strings.HasPrefix(a, "tcp://") {
				return a, nil
			}
		}
	}
	return "", errors.New("the server is not in the registry")
}

func (c *hotlineClient) Caller() (Call, error) {
	ctx := context.Background()
	return func(data []byte) ([]byte, error) { return c.methods.Echo(ctx, data) }, nil
}

func (c *hotlineClient) Add(a, b int) (int, error) {
	sum, err := c.methods.Sum(context.Background(), a, b)
	if err == nil && sum != a+b {
		err = fmt.Errorf("the sum of %d and %d came back as %d", a, b, sum)
	}
	return sum, err
}
