package hotline_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hotline/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what should come soon.
const patience = 30 * time.Second

// waitReady waits until n instances are ready in the runtime directory.
func waitReady(t testing.TB, dir string, n int, ended chan error) {
	t.Helper()
	d, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		all, err := d.List()
		if err != nil {
			t.Fatal(err)
		}
		ready := 0
		for _, i := range all {
			if i.State == registry.Ready {
				ready++
			}
		}
		if ready == n {
			return
		}
		select {
		case err := <-ended:
			ended <- nil // for the cleanup
			t.Fatalf("Serve ended before it was ready: %v", err)
		case <-ctx.Done():
			t.Fatalf("%d instances ready, want %d: %v", ready, n, all)
		case <-time.After(time.Millisecond):
		}
	}
}

// addressOf returns the address by which the only service in the directory is reached over a transport.
func addressOf(t testing.TB, dir, scheme string) string {
	t.Helper()
	d, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		for _, a := range i.Addresses {
			if strings.HasPrefix(a, scheme+"://") {
				return a
			}
		}
	}
	t.Fatalf("nothing is reached over %s: %v", scheme, all)
	return ""
}
