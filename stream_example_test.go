package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"os"
	"slices"

	"github.com/rs/zerolog"

	"hotline"
)

// meterMethods is what the meter and its clients share: a stream in each direction, and one in both.
type meterMethods struct {
	Count   func(ctx context.Context, to int) iter.Seq2[int, error]                `codec:"json"`
	Mean    func(ctx context.Context, samples iter.Seq[float64]) (float64, error)  `codec:"msgpack"`
	Running func(ctx context.Context, samples iter.Seq[int]) iter.Seq2[int, error] `codec:"cbor"`
}

type meterServer struct {
	hotline.ServerMethodsBase `port:"5560" name:"meter"`
	meterMethods
}

type meterClient struct {
	hotline.ClientMethodsBase `port:"5560" name:"meter"`
	meterMethods
}

func (s *meterServer) Count(_ context.Context, to int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := 1; i <= to; i++ {
			if !yield(i, nil) { // the client has left the loop
				return
			}
		}
		yield(0, errors.New("that was all"))
	}
}

func (s *meterServer) Mean(_ context.Context, samples iter.Seq[float64]) (float64, error) {
	sum, n := 0.0, 0.0
	for v := range samples {
		sum, n = sum+v, n+1
	}
	return sum / n, nil
}

func (s *meterServer) Running(_ context.Context, samples iter.Seq[int]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		sum := 0
		for v := range samples {
			if sum += v; !yield(sum, nil) {
				return
			}
		}
	}
}

// Streams are Go iterators: a result streams from the server, a last argument to it.
func Example_streams() {
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	quiet := zerolog.Nop()
	srv := &hotline.Server{Dir: dir, Logger: &quiet}
	if err := srv.Register(new(meterServer)); err != nil {
		log.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(context.Background()) }()
	defer func() {
		srv.Close()
		<-ended
	}()
	ctx := context.Background()
	var meter meterClient
	d := &hotline.Dialer{Dir: dir}
	for d.Connect(ctx, &meter) != nil { // until the service is ready
	}
	defer meter.Close()

	for n, err := range meter.Count(ctx, 3) {
		fmt.Println(n, err)
	}
	for n := range meter.Count(ctx, 1_000_000_000) {
		if n == 2 {
			break // ends the method's loop too
		}
	}
	fmt.Println(meter.Mean(ctx, slices.Values([]float64{1, 2, 6})))
	for sum, err := range meter.Running(ctx, slices.Values([]int{1, 2, 3})) {
		fmt.Println(sum, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
	// 0 that was all
	// 3 <nil>
	// 1 <nil>
	// 3 <nil>
	// 6 <nil>
}
