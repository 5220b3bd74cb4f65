package hotline_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hotline"
	"hotline/internal/wait"
	"hotline/registry"
)

func TestMain(m *testing.M) {
	if os.Getenv(peerEnv) != "" {
		peerMain()
		return
	}
	if os.Getenv(marksEnv) != "" {
		marksMain()
		return
	}
	if os.Getenv(siegeEnv) != "" {
		siegeMain()
		return
	}
	if os.Getenv(bulkEnv) != "" {
		bulkMain()
		return
	}
	if os.Getenv(termEnv) != "" {
		termMain()
		return
	}
	wait.Parallel()
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what should come soon.
const patience = 120 * time.Second

// waitReady waits until n instances are ready in the runtime directory, and fails if Serve ends before that.
func waitReady(t testing.TB, dir string, n int, ended chan error) {
	t.Helper()
	d, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "instances that are ready", func() bool {
		select {
		case err := <-ended:
			ended <- nil // for the cleanup
			t.Fatalf("Serve ended before it was ready: %v", err)
		default:
		}
		all, err := d.List()
		if err != nil {
			t.Fatal(err)
		}
		all = slices.DeleteFunc(all, func(i registry.Instance) bool { return i.State != registry.Ready })
		return len(all) == n
	})
}

// addressOf returns the address by which the only service in the directory is reached over a transport.
func addressOf(t testing.TB, dir, scheme string) string {
	t.Helper()
	all := addressesOf(t, dir, scheme)
	if len(all) == 0 {
		t.Fatalf("nothing is reached over %s", scheme)
	}
	return all[0]
}

// addressesOf returns the addresses by which instances in the directory are reached over a transport.
func addressesOf(t testing.TB, dir, scheme string) (found []string) {
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
				found = append(found, a)
			}
		}
	}
	return found
}

// ways are the ways in which a server in this process can be called: over each transport, and directly.
var ways = []string{"shm", "unix", "tcp", "inproc", "direct"}

// dialerBy returns a dialer, and the address, for one of the ways to the services of srv, which are in dir. TCP is for
// one service only.
func dialerBy(t testing.TB, way, dir string, srv *hotline.Server) (*hotline.Dialer, string) {
	t.Helper()
	d := &hotline.Dialer{Dir: dir, Server: srv}
	switch way {
	case "direct":
		d.Direct = true
		return d, "inproc://"
	case "tcp":
		return d, addressOf(t, dir, "tcp")
	}
	return d, way + "://"
}

// errorsIsOutcome reports whether err says what became of a call that was lost.
func errorsIsOutcome(err error) bool {
	return errors.Is(err, hotline.ErrMaybeExecuted) || errors.Is(err, hotline.ErrNotExecuted)
}
