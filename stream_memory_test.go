package hotline_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/race"
)

// bulkEnv makes this test binary a process that streams to itself and back, in the runtime directory that the variable names, and
// writes how much memory it had in use at most.
const bulkEnv = "HOTLINE_TEST_BULK"

const (
	bulkStream = 256 << 20 // bytes of each stream
	bulkMemory = 32 << 20  // bytes that both ends together may use
)

type bulkMethods struct {
	Store func(ctx context.Context, r io.Reader) error
	Fetch func(ctx context.Context) (io.ReadCloser, error)
}

type bulkServer struct {
	hotline.ServerMethodsBase `port:"5572" name:"bulk"`
	bulkMethods
}

func (*bulkServer) Store(_ context.Context, r io.Reader) error { return drain(r) }

func (*bulkServer) Fetch(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(zeros{}, bulkStream)), nil
}

// drain wants all of a stream.
func drain(r io.Reader) error {
	if n, err := io.Copy(io.Discard, struct{ io.Reader }{r}); n != bulkStream || err != nil {
		return fmt.Errorf("%d bytes came: %w", n, err)
	}
	return nil
}

type bulkClient struct {
	hotline.ClientMethodsBase `name:"bulk"`
	bulkMethods
}

func bulkMain() {
	if err := streamInBulk(os.Getenv(bulkEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func streamInBulk(dir string) error {
	nop := zerolog.Nop()
	srv := &hotline.Server{Dir: dir, Logger: &nop}
	if err := srv.Register(new(bulkServer)); err != nil {
		return err
	}
	d := &hotline.Dialer{Dir: dir, Server: srv}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx) }()
	var peak atomic.Uint64
	go watchMemory(ctx, &peak)
	addresses := []string{"inproc://", "unix://"} // the first one waits until the server is there
	if runtime.GOOS == "linux" {
		addresses = append(addresses, "shm://")
	}
	for _, address := range addresses {
		var c bulkClient
		if err := d.Connect(ctx, &c, address); err != nil {
			return err
		}
		if err := c.Store(ctx, io.LimitReader(zeros{}, bulkStream)); err != nil {
			return fmt.Errorf("%s: to the server: %w", address, err)
		}
		r, err := c.Fetch(ctx)
		if err == nil {
			err = drain(r)
		}
		if err != nil {
			return fmt.Errorf("%s: from the server: %w", address, err)
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	cancel()
	fmt.Println(peak.Load())
	return <-served
}

// TestStreamsLargerThanMemory moves streams of 256 MiB, each way and over each transport, in a process whose two ends may use
// 32 MiB together.
func TestStreamsLargerThanMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector looks at each of the bytes")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	peer := exec.CommandContext(t.Context(), exe)
	peer.Env = append(os.Environ(), bulkEnv+"="+tempDir(t), "GOMEMLIMIT="+strconv.Itoa(bulkMemory))
	peer.Stderr = os.Stderr
	out, err := peer.Output()
	if err != nil {
		t.Fatal(err)
	}
	peak, err := strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MiB were in use at most", float64(peak)/(1<<20))
	if peak > bulkMemory || peak == 0 {
		t.Errorf("%d bytes were in use, at most %d are allowed", peak, bulkMemory)
	}
}
