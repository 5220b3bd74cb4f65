//go:build unix

package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"hotline"
)

// Work is what a real worker of the tests serves, by net/rpc's form, so that its name can be chosen.
type Work struct{}

// Add returns a + 1.
func (*Work) Add(a int, sum *int) error {
	*sum = a + 1
	return nil
}

// Fail fails.
func (*Work) Fail(_ bool, _ *bool) error { return errors.New("as asked") }

// Say writes lines to its output.
func (*Work) Say(lines int, _ *bool) error {
	for i := range lines {
		fmt.Println("line", i)
	}
	return nil
}

// Sleep takes its time.
func (*Work) Sleep(d time.Duration, _ *bool) error {
	time.Sleep(d)
	return nil
}

// Burn computes for a time.
func (*Work) Burn(d time.Duration, _ *bool) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
	return nil
}

// workServer serves as a service's program does.
func workServer(name, port string) error {
	quiet := zerolog.Nop()
	server := &hotline.Server{Logger: &quiet}
	if err := server.Register(&hotline.NetRPC{Receiver: new(Work), Name: name, Port: port, Version: "1"}); err != nil {
		return err
	}
	return server.Serve(context.Background())
}

type workClient struct {
	hotline.ClientMethodsBase `name:"work"`
	Add                       func(ctx context.Context, a int) (int, error)
	Fail                      func(ctx context.Context, b bool) (bool, error)
	Say                       func(ctx context.Context, lines int) (bool, error)
	Sleep                     func(ctx context.Context, d time.Duration) (bool, error)
	Burn                      func(ctx context.Context, d time.Duration) (bool, error)
}
