package peer

import (
	"context"
	"net"
	"time"

	"github.com/lesismal/arpc"
	"github.com/lesismal/arpc/log"
)

const arpcMethod = "/echo"

func aRPC() Peer {
	return Peer{
		Name: "arpc", Way: "unix", Kind: Library, Module: "github.com/lesismal/arpc",
		Serve: unixListen(func(ln net.Listener) error {
			log.SetLevel(log.LevelNone)
			s := arpc.NewServer()
			s.Handler.Handle(arpcMethod, func(c *arpc.Context) {
				var data []byte
				if err := c.Bind(&data); err != nil {
					c.Error(err)
					return
				}
				c.Write(data)
			})
			return s.Serve(ln)
		}),
		Dial: func(ctx context.Context, dir string, _ Load) (Client, error) {
			log.SetLevel(log.LevelNone)
			c, err := arpc.NewClient(func() (net.Conn, error) { return dial(ctx, dir, "unix") })
			if err != nil {
				return nil, err
			}
			return &shared{
				close: func() error { c.Stop(); return nil },
				call: func(data []byte) ([]byte, error) {
					var echo []byte
					err := c.Call(arpcMethod, data, &echo, time.Minute)
					return echo, err
				},
			}, nil
		},
	}
}
