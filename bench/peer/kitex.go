package peer

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/cloudwego/gopkg/protocol/thrift"
	"github.com/cloudwego/kitex/client"
	"github.com/cloudwego/kitex/pkg/klog"
	"github.com/cloudwego/kitex/pkg/rpcinfo"
	"github.com/cloudwego/kitex/pkg/serviceinfo"
	"github.com/cloudwego/kitex/server"
)

const (
	kitexService = "hotline.bench.Echo"
	kitexMethod  = "Echo"
)

func kitexMux() Peer {
	return Peer{
		Name: "kitex", Way: "unix", Kind: Library, Module: "github.com/cloudwego/kitex", Note: "thrift binary, one multiplexed connection",
		Serve: unixListen(func(ln net.Listener) error {
			klog.SetLevel(klog.LevelFatal)
			s := server.NewServer(server.WithListener(ln), server.WithMuxTransport(),
				server.WithServerBasicInfo(&rpcinfo.EndpointBasicInfo{ServiceName: kitexService}))
			if err := s.RegisterService(kitexInfo(), new(kitexHandler)); err != nil {
				return err
			}
			return s.Run()
		}),
		Dial: func(_ context.Context, dir string, _ Load) (Client, error) {
			klog.SetLevel(klog.LevelFatal)
			c, err := client.NewClient(kitexInfo(), client.WithHostPorts(socket(dir)), client.WithMuxConnection(1),
				client.WithDestService(kitexService))
			if err != nil {
				return nil, err
			}
			return &shared{close: func() error { return nil }, call: func(data []byte) ([]byte, error) {
				args, result := &kitexMessage{field: 1, data: data}, &kitexMessage{field: 0}
				err := c.Call(context.Background(), kitexMethod, args, result)
				return result.data, err
			}}, nil
		},
	}
}

type kitexHandler struct{}

func (*kitexHandler) Echo(_ context.Context, data []byte) ([]byte, error) { return data, nil }

// kitexInfo is what the kitex tool writes for the service { binary Echo(1: binary data) }.
func kitexInfo() *serviceinfo.ServiceInfo {
	handle := func(ctx context.Context, handler, args, result any) (err error) {
		r := result.(*kitexMessage)
		r.data, err = handler.(*kitexHandler).Echo(ctx, args.(*kitexMessage).data)
		return err
	}
	return &serviceinfo.ServiceInfo{
		ServiceName: kitexService, HandlerType: (*kitexHandler)(nil), PayloadCodec: serviceinfo.Thrift,
		Methods: map[string]serviceinfo.MethodInfo{
			kitexMethod: serviceinfo.NewMethodInfo(handle, func() any { return &kitexMessage{field: 1} },
				func() any { return &kitexMessage{field: 0} }, false),
		},
	}
}

// kitexMessage is the thrift struct of the arguments or of the result: one binary field of that number.
type kitexMessage struct {
	field int16
	data  []byte
}

var _ thrift.FastCodec = (*kitexMessage)(nil)

func (m *kitexMessage) GetFirstArgument() any { return m.data }
func (m *kitexMessage) GetResult() any        { return m.data }
func (m *kitexMessage) SetSuccess(v any)      { m.data, _ = v.([]byte) }

func (m *kitexMessage) BLength() int {
	return thrift.Binary.FieldBeginLength() + thrift.Binary.BinaryLengthNocopy(m.data) + thrift.Binary.FieldStopLength()
}

func (m *kitexMessage) FastWriteNocopy(buf []byte, w thrift.NocopyWriter) int {
	n := thrift.Binary.WriteFieldBegin(buf, thrift.STRING, m.field)
	n += thrift.Binary.WriteBinaryNocopy(buf[n:], w, m.data)
	return n + thrift.Binary.WriteFieldStop(buf[n:])
}

func (m *kitexMessage) FastRead(buf []byte) (int, error) {
	kind, field, n, err := thrift.Binary.ReadFieldBegin(buf)
	if err != nil {
		return 0, err
	}
	if kind != thrift.STRING || field != m.field {
		return 0, fmt.Errorf("thrift field %d of type %d, want %d of type %d", field, kind, m.field, thrift.STRING)
	}
	data, l, err := thrift.Binary.ReadBinary(buf[n:])
	if err != nil {
		return 0, err
	}
	n += l
	if n >= len(buf) || buf[n] != byte(thrift.STOP) {
		return 0, errors.New("thrift struct without its end")
	}
	m.data = data
	return n + 1, nil
}
