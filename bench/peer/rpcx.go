package peer

import (
	"context"
	"net"

	"github.com/smallnest/rpcx/client"
	"github.com/smallnest/rpcx/log"
	"github.com/smallnest/rpcx/protocol"
	"github.com/smallnest/rpcx/server"
)

func rpcX() Peer {
	return Peer{
		Name: "rpcx", Way: "unix", Kind: Library, Module: "github.com/smallnest/rpcx", Note: "SerializeNone, XClient",
		Serve: unixListen(func(ln net.Listener) error {
			log.SetDummyLogger()
			s := server.NewServer()
			s.DisableHTTPGateway, s.DisableJSONRPC = true, true
			if err := s.RegisterName("Echo", new(rpcxEcho), ""); err != nil {
				return err
			}
			return s.ServeListener("unix", ln)
		}),
		Dial: func(_ context.Context, dir string, _ Load) (Client, error) {
			log.SetDummyLogger()
			d, err := client.NewPeer2PeerDiscovery("unix@"+socket(dir), "")
			if err != nil {
				return nil, err
			}
			option := client.DefaultOption
			option.SerializeType = protocol.SerializeNone
			c := client.NewXClient("Echo", client.Failtry, client.RandomSelect, d, option)
			return &shared{close: c.Close, call: func(data []byte) ([]byte, error) {
				var echo []byte
				err := c.Call(context.Background(), "Echo", data, &echo)
				return echo, err
			}}, nil
		},
	}
}

type rpcxEcho struct{}

func (*rpcxEcho) Echo(_ context.Context, data, echo *[]byte) error {
	*echo = *data
	return nil
}
