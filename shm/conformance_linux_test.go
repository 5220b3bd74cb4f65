package shm_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/shm"
)

// conformance is this package as the suite for all transports takes it.
var conformance = transporttest.Transport{
	Name: "shm",
	Listen: func(dir string) (transporttest.Listener, error) {
		ln, err := shm.Listen(filepath.Join(dir, "s"), nil)
		return acceptor{ln}, err
	},
	Dial: func(ctx context.Context, address string) (link.Conn, error) {
		return shm.Dial(ctx, strings.TrimPrefix(address, "shm://"), nil)
	},
	Sizes: []int{32<<10 - 1, 32 << 10, 32<<10 + 1, shm.DefaultRingSize - 1, shm.DefaultRingSize, shm.DefaultRingSize + 1},
}

// acceptor returns the interface that the suite wants.
type acceptor struct{ *shm.Listener }

func (a acceptor) Accept() (link.Conn, error) { return a.Listener.Accept() }

func TestConformance(t *testing.T) { transporttest.Run(t, conformance) }

func BenchmarkCall(b *testing.B) { transporttest.Bench(b, conformance) }
