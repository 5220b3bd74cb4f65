package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/rs/zerolog"

	"hotline"
)

// adderMethods is what the adder and its clients share.
type adderMethods struct {
	Sum    func(ctx context.Context, a, b int) (int, error)              `codec:"msgpack"`
	Divide func(ctx context.Context, a, b int) (quo, rem int, err error) `codec:"json"`
}

type adderServer struct {
	hotline.ServerMethodsBase `port:"5557" name:"adder" version:"1.0.0"`
	adderMethods
}

func (s *adderServer) Sum(_ context.Context, a, b int) (int, error) { return a + b, nil }

func (s *adderServer) Divide(_ context.Context, a, b int) (int, int, error) {
	if b == 0 {
		return 0, 0, errors.New("division by zero")
	}
	return a / b, a % b, nil
}

type adderClient struct {
	hotline.ClientMethodsBase `port:"5557" name:"adder"`
	adderMethods
}

func serveAdder() (dir string, stop func()) {
	return serveExample(new(hotline.Server), new(adderServer), "adder")
}

// serveExample serves a service in this process, in a runtime directory of its own, until stop is called.
func serveExample(srv *hotline.Server, service any, name string) (dir string, stop func()) {
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		log.Fatal(err)
	}
	quiet := zerolog.Nop()
	srv.Dir, srv.Logger = dir, &quiet
	if err := srv.Register(service); err != nil {
		log.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(context.Background()) }()
	for { // until the service is ready
		c, err := (&hotline.Dialer{Dir: dir}).Dial(context.Background(), name)
		if err == nil {
			c.Close()
			break
		}
	}
	return dir, func() {
		srv.Close()
		<-ended
		os.RemoveAll(dir)
	}
}

func ExampleDialer_Connect() {
	dir, stop := serveAdder()
	defer stop()
	ctx := context.Background()

	var adder adderClient
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(ctx, &adder, "auto://"); err != nil {
		log.Fatal(err)
	}
	defer adder.Close()

	sum, err := adder.Sum(ctx, 2, 3)
	fmt.Println(sum, err)
	_, _, err = adder.Divide(ctx, 1, 0)
	fmt.Println(err)
	// Output:
	// 5 <nil>
	// division by zero
}

func ExampleClient_Call() {
	dir, stop := serveAdder()
	defer stop()
	ctx := context.Background()

	c, err := (&hotline.Dialer{Dir: dir}).Dial(ctx, "adder")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	var quo, rem int
	err = c.Call(ctx, "Divide", []any{&quo, &rem}, 17, 5)
	fmt.Println(quo, rem, err)
	err = c.Call(ctx, "Sum", nil, "two", 3)
	fmt.Println(err)
	// Output:
	// 3 2 <nil>
	// hotline: Sum: the call was not executed: arguments do not fit Sum(context.Context, int, int) (int, error): argument 1: string here, int there
}

func ExampleClient_Go() {
	dir, stop := serveAdder()
	defer stop()
	ctx := context.Background()

	c, err := (&hotline.Dialer{Dir: dir}).Dial(ctx, "adder")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	var sums [3]int
	var calls []*hotline.Future
	for i := range sums {
		calls = append(calls, c.Go(ctx, "Sum", &sums[i], i, i))
	}
	for _, call := range calls {
		if err := call.Wait(); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(sums)
	// Output:
	// [0 2 4]
}

func ExampleServer_Register() {
	type forgotten struct{ hotline.ServerMethodsBase }
	fmt.Println(new(hotline.Server).Register(new(forgotten)))
	// Output:
	// hotline: register hotline_test.forgotten: the tag of hotline.ServerMethodsBase needs port and name: `port:"5555" name:"a_name"`, it is ""
}

// invertServer inverts pictures where they are.
type invertServer struct {
	hotline.ServerMethodsBase `port:"5562" name:"invert"`
}

func (*invertServer) Invert(_ context.Context, picture *hotline.Buffer) (*hotline.Buffer, error) {
	pixels := picture.Bytes()
	for i := range pixels {
		pixels[i] = 255 - pixels[i]
	}
	return picture, nil // the same memory goes back
}

// A Buffer goes to the server and back without a copy.
func ExampleBuffer() {
	dir, stop := serveExample(new(hotline.Server), new(invertServer), "invert")
	defer stop()
	var client struct {
		hotline.ClientMethodsBase `name:"invert"`
		Invert                    func(ctx context.Context, picture *hotline.Buffer) (*hotline.Buffer, error)
	}
	if err := (&hotline.Dialer{Dir: dir}).Connect(context.Background(), &client); err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	picture := client.NewBuffer(1 << 20)
	pixels := picture.Bytes()
	for i := range pixels { // make the picture where it is to be sent from
		pixels[i] = byte(i)
	}
	inverted, err := client.Invert(context.Background(), picture) // picture is given away
	if err != nil {
		log.Fatal(err)
	}
	defer inverted.Release()
	fmt.Println(inverted.Len(), inverted.Bytes()[:4])

	_, err = client.Invert(context.Background(), picture)
	fmt.Println(errors.Is(err, hotline.ErrReleased))
	// Output:
	// 1048576 [255 254 253 252]
	// true
}
