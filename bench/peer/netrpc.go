package peer

import (
	"context"
	"net"
	"net/rpc"
)

func netRPC() Peer {
	return Peer{
		Name: "net/rpc", Way: "unix", Kind: Library, Note: "gob",
		Serve: unixListen(func(ln net.Listener) error {
			s := rpc.NewServer()
			if err := s.RegisterName("Echo", netRPCEcho{}); err != nil {
				return err
			}
			s.Accept(ln)
			return nil
		}),
		Dial: func(ctx context.Context, dir string, _ Load) (Client, error) {
			conn, err := dial(ctx, dir, "unix")
			if err != nil {
				return nil, err
			}
			c := rpc.NewClient(conn)
			return &shared{close: c.Close, call: func(data []byte) ([]byte, error) {
				var echo []byte
				err := c.Call("Echo.Echo", data, &echo)
				return echo, err
			}}, nil
		},
	}
}

type netRPCEcho struct{}

func (netRPCEcho) Echo(data []byte, echo *[]byte) error {
	*echo = data
	return nil
}
