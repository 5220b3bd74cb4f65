package pipe_test

import (
	"context"
	"net"
	"testing"

	"go.uber.org/goleak"

	"hotline/internal/link"
	"hotline/internal/pipe"
	"hotline/internal/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// acceptor gives out the far ends of the pipes that dial makes.
type acceptor chan link.Conn

func (a acceptor) Accept() (link.Conn, error) { return <-a, nil }
func (a acceptor) Close() error               { return nil }
func (a acceptor) Addr() string               { return "inproc://test" }

func TestConformance(t *testing.T) {
	listening := make(acceptor, 1)
	transporttest.Run(t, transporttest.Transport{
		Name:       "inproc",
		OneProcess: true,
		Listen:     func(string) (transporttest.Listener, error) { return listening, nil },
		Dial: func(_ context.Context, address string) (link.Conn, error) {
			if address != listening.Addr() {
				return nil, net.UnknownNetworkError(address)
			}
			near, far := pipe.New(address)
			listening <- far
			return near, nil
		},
	})
}
