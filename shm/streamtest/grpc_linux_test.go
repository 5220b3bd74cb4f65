package streamtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"hotline/shm"
)

// patience is how long a test waits for what must come.
const patience = 120 * time.Second

// pathEnv tells the test binary that it is a second process: a server at this path.
const pathEnv = "HOTLINE_STREAMTEST_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(pathEnv); path != "" {
		ln, err := shm.ListenStream(path, nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("ready")
		_ = newServer().Serve(ln) // until it is killed
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

type bytesValue = wrapperspb.BytesValue

// echoService is a service of three methods, described by hand, as there is no need for generated code.
var echoService = grpc.ServiceDesc{
	ServiceName: "streamtest.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Echo", Handler: unary(func(_ context.Context, in *bytesValue) (*bytesValue, error) { return in, nil })},
		{MethodName: "Who", Handler: unary(func(ctx context.Context, _ *bytesValue) (*bytesValue, error) {
			p, _ := peer.FromContext(ctx)
			return wrapperspb.Bytes(fmt.Appendf(nil, "%s at %s", p.Addr, p.LocalAddr)), nil
		})},
		{MethodName: "Wait", Handler: unary(func(ctx context.Context, _ *bytesValue) (*bytesValue, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})},
	},
	Streams: []grpc.StreamDesc{{
		StreamName: "Stream", ClientStreams: true, ServerStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			for {
				var in bytesValue
				if err := stream.RecvMsg(&in); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
				if err := stream.SendMsg(&in); err != nil {
					return err
				}
			}
		},
	}},
}

// unary is a method's handler as gRPC calls it.
func unary(f func(context.Context, *bytesValue) (*bytesValue, error)) grpc.MethodHandler {
	return func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(bytesValue)
		if err := decode(in); err != nil {
			return nil, err
		}
		return f(ctx, in)
	}
}

func newServer() *grpc.Server {
	s := grpc.NewServer()
	s.RegisterService(&echoService, nil)
	return s
}

// connect makes a client of the listener at path until the test ends.
func connect(t *testing.T, path string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+path,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, path string) (net.Conn, error) { return shm.DialStream(ctx, path, nil) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// TestGRPC: gRPC runs over a stream as it is, its server in this process and in another.
func TestGRPC(t *testing.T) {
	t.Run("one process", func(t *testing.T) {
		path := socketPath(t)
		ln, err := shm.ListenStream(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		server := newServer()
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		check(t, connect(t, path), path)
		server.GracefulStop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Run("two processes", func(t *testing.T) {
		path := socketPath(t)
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), pathEnv+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := sync.OnceFunc(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		t.Cleanup(kill)
		if _, err := fmt.Fscanln(out, new(string)); err != nil {
			t.Fatalf("the server isn't ready: %v", err)
		}
		conn := connect(t, path)
		check(t, conn, path)

		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		stream, err := conn.NewStream(ctx, &echoService.Streams[0], "/streamtest.Echo/Stream")
		if err != nil {
			t.Fatal(err)
		}
		kill() // in the middle of a stream
		if err := stream.RecvMsg(new(bytesValue)); status.Code(err) != codes.Unavailable {
			t.Errorf("RecvMsg after the server was killed: %v, want %v", err, codes.Unavailable)
		}
	})
}

// check calls every method, several at once.
func check(t *testing.T, conn *grpc.ClientConn, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out := new(bytesValue)
	if err := conn.Invoke(ctx, "/streamtest.Echo/Who", wrapperspb.Bytes(nil), out); err != nil || string(out.Value) != "@ at "+path {
		t.Errorf("Who: %q, %v, want %q", out.Value, err, "@ at "+path)
	}
	long := bytes.Repeat([]byte("0123456789abcde"), 20_000)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				want, out := long[:(i*j*i*j*97)%len(long)], new(bytesValue)
				if err := conn.Invoke(ctx, "/streamtest.Echo/Echo", wrapperspb.Bytes(want), out); err != nil || !bytes.Equal(out.Value, want) {
					t.Errorf("Echo of %d bytes: %d bytes, %v", len(want), len(out.Value), err)
				}
			}
		})
		wg.Go(func() { checkStream(t, ctx, conn, long[:10_000*i]) })
	}
	wg.Go(func() {
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		if err := conn.Invoke(short, "/streamtest.Echo/Wait", wrapperspb.Bytes(nil), new(bytesValue)); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("Wait: %v, want %v", err, codes.DeadlineExceeded)
		}
	})
	wg.Wait()
}

// checkStream sends a message again and again, and reads it back as it comes.
func checkStream(t *testing.T, ctx context.Context, conn *grpc.ClientConn, message []byte) {
	stream, err := conn.NewStream(ctx, &echoService.Streams[0], "/streamtest.Echo/Stream")
	if err != nil {
		t.Errorf("NewStream: %v", err)
		return
	}
	const messages = 10
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for range messages {
			if err := stream.SendMsg(wrapperspb.Bytes(message)); err != nil {
				t.Errorf("SendMsg: %v", err)
				return
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Errorf("CloseSend: %v", err)
		}
	})
	for range messages {
		in := new(bytesValue)
		if err := stream.RecvMsg(in); err != nil || !bytes.Equal(in.Value, message) {
			t.Errorf("RecvMsg: %d bytes, %v, want %d", len(in.Value), err, len(message))
			return
		}
	}
	if err := stream.RecvMsg(new(bytesValue)); err != io.EOF {
		t.Errorf("RecvMsg after the last: %v, want %v", err, io.EOF)
	}
}
