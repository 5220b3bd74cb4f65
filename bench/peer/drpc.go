package peer

import (
	"context"
	"fmt"
	"net"

	"storj.io/drpc"
	"storj.io/drpc/drpcconn"
	"storj.io/drpc/drpcmux"
	"storj.io/drpc/drpcpool"
	"storj.io/drpc/drpcserver"
)

const drpcMethod = "/hotline.bench.Echo/Echo"

func dRPC() Peer {
	return Peer{
		Name: "drpc", Way: "unix", Kind: Library, Module: "storj.io/drpc", Note: "raw encoding; a connection carries one call, so a pool of them",
		Serve: unixListen(func(ln net.Listener) error {
			m := drpcmux.New()
			if err := m.Register(drpcServer{}, drpcDescription{}); err != nil {
				return err
			}
			return drpcserver.New(m).Serve(context.Background(), ln)
		}),
		Dial: func(_ context.Context, dir string, _ Load) (Client, error) {
			pool := drpcpool.New[string, drpcpool.Conn](drpcpool.Options{})
			c := pool.Get(context.Background(), "bench", func(ctx context.Context, _ string) (drpcpool.Conn, error) {
				conn, err := dial(ctx, dir, "unix")
				if err != nil {
					return nil, err
				}
				return drpcconn.New(conn), nil
			})
			return &shared{close: pool.Close, call: func(data []byte) ([]byte, error) {
				var echo []byte
				err := c.Invoke(context.Background(), drpcMethod, drpcRaw{}, &data, &echo)
				return echo, err
			}}, nil
		},
	}
}

type drpcServer struct{}

func (drpcServer) Echo(_ context.Context, data *[]byte) (*[]byte, error) { return data, nil }

// drpcDescription is what protoc-gen-go-drpc writes for a service with one method.
type drpcDescription struct{}

func (drpcDescription) NumMethods() int { return 1 }

func (drpcDescription) Method(n int) (string, drpc.Encoding, drpc.Receiver, any, bool) {
	if n != 0 {
		return "", nil, nil, nil, false
	}
	receive := func(srv any, ctx context.Context, in, _ any) (drpc.Message, error) {
		return srv.(drpcServer).Echo(ctx, in.(*[]byte))
	}
	return drpcMethod, drpcRaw{}, receive, drpcServer.Echo, true
}

// drpcRaw is an encoding that leaves bytes as they are.
type drpcRaw struct{}

func (drpcRaw) Marshal(m drpc.Message) ([]byte, error) {
	data, ok := m.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("raw encoding: %T is not *[]byte", m)
	}
	return *data, nil
}

// Unmarshal copies: drpc uses the memory of buf again.
func (drpcRaw) Unmarshal(buf []byte, m drpc.Message) error {
	data, ok := m.(*[]byte)
	if !ok {
		return fmt.Errorf("raw encoding: %T is not *[]byte", m)
	}
	*data = append((*data)[:0], buf...)
	return nil
}
