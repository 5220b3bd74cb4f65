package peer

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"connectrpc.com/connect"
)

const connectPath = "/hotline.bench.Echo/Echo"

func connectRPC() Peer {
	return Peer{
		Name: "connect", Way: "unix", Kind: Library, Module: "connectrpc.com/connect", Note: "raw codec, HTTP/2",
		Serve: unixListen(serveConnect),
		Dial: func(_ context.Context, dir string, _ Load) (Client, error) {
			transport := &http.Transport{
				Protocols: plainHTTP2(),
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return dial(ctx, dir, "unix")
				},
			}
			c := connect.NewClient[connectBytes, connectBytes](&http.Client{Transport: transport}, "http://bench"+connectPath,
				connect.WithCodec(connectRaw{}))
			return &shared{
				close: func() error { transport.CloseIdleConnections(); return nil },
				call: func(data []byte) ([]byte, error) {
					echo, err := c.CallUnary(context.Background(), connect.NewRequest(&connectBytes{data}))
					if err != nil {
						return nil, err
					}
					return echo.Msg.data, nil
				},
			}, nil
		},
	}
}

func serveConnect(ln net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle(connectPath, connect.NewUnaryHandler(connectPath,
		func(_ context.Context, req *connect.Request[connectBytes]) (*connect.Response[connectBytes], error) {
			return connect.NewResponse(req.Msg), nil
		}, connect.WithCodec(connectRaw{})))
	return (&http.Server{Handler: mux, Protocols: plainHTTP2()}).Serve(ln)
}

// plainHTTP2 is HTTP/2 without TLS and nothing else.
func plainHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// connectBytes is the message of both directions.
type connectBytes struct{ data []byte }

// connectRaw is a codec that leaves bytes as they are.
type connectRaw struct{}

func (connectRaw) Name() string { return "raw" }

// Marshal copies: connect uses the memory of what it returns again.
func (c connectRaw) Marshal(v any) ([]byte, error) { return c.MarshalAppend(nil, v) }

// MarshalAppend is what connect calls where a codec has it, with memory that it keeps for that.
func (connectRaw) MarshalAppend(dst []byte, v any) ([]byte, error) {
	m, ok := v.(*connectBytes)
	if !ok {
		return nil, fmt.Errorf("raw codec: %T is not *connectBytes", v)
	}
	return append(dst, m.data...), nil
}

// Unmarshal copies: connect uses the memory of data again.
func (connectRaw) Unmarshal(data []byte, v any) error {
	m, ok := v.(*connectBytes)
	if !ok {
		return fmt.Errorf("raw codec: %T is not *connectBytes", v)
	}
	m.data = append(m.data[:0], data...)
	return nil
}
