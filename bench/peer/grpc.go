package peer

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

const (
	grpcService = "hotline.bench.Echo"
	grpcMethod  = "/" + grpcService + "/Echo"
)

func gRPC() Peer {
	return Peer{
		Name: "gRPC", Way: "unix", Kind: Library, Module: "google.golang.org/grpc", Note: "raw codec",
		Serve: unixListen(func(ln net.Listener) error {
			s := grpc.NewServer(grpc.ForceServerCodecV2(grpcRaw{}))
			s.RegisterService(&grpcEcho, grpcServer{})
			return s.Serve(ln)
		}),
		Dial: func(_ context.Context, dir string, _ Load) (Client, error) {
			c, err := grpc.NewClient("unix://"+socket(dir), grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithDefaultCallOptions(grpc.ForceCodecV2(grpcRaw{})))
			if err != nil {
				return nil, err
			}
			return &shared{close: c.Close, call: func(data []byte) ([]byte, error) {
				var echo []byte
				err := c.Invoke(context.Background(), grpcMethod, &data, &echo)
				return echo, err
			}}, nil
		},
	}
}

type grpcEchoServer interface {
	Echo(ctx context.Context, data *[]byte) (*[]byte, error)
}

type grpcServer struct{}

func (grpcServer) Echo(_ context.Context, data *[]byte) (*[]byte, error) { return data, nil }

// grpcEcho is what protoc-gen-go-grpc writes for a service with one method.
var grpcEcho = grpc.ServiceDesc{
	ServiceName: grpcService,
	HandlerType: (*grpcEchoServer)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Echo",
		Handler: func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			data := new([]byte)
			if err := decode(data); err != nil {
				return nil, err
			}
			if intercept == nil {
				return srv.(grpcEchoServer).Echo(ctx, data)
			}
			info := &grpc.UnaryServerInfo{Server: srv, FullMethod: grpcMethod}
			return intercept(ctx, data, info, func(ctx context.Context, req any) (any, error) {
				return srv.(grpcEchoServer).Echo(ctx, req.(*[]byte))
			})
		},
	}},
}

// grpcRaw is a codec that leaves bytes as they are.
type grpcRaw struct{}

var _ encoding.CodecV2 = grpcRaw{}

func (grpcRaw) Name() string { return "raw" }

func (grpcRaw) Marshal(v any) (mem.BufferSlice, error) {
	data, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("raw codec: %T is not *[]byte", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*data)}, nil
}

func (grpcRaw) Unmarshal(data mem.BufferSlice, v any) error {
	to, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("raw codec: %T is not *[]byte", v)
	}
	*to = data.Materialize()
	return nil
}
