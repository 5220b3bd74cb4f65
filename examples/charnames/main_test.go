package charnames_test

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"hotline/examples/charnames"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// started returns a service with its index, the same one for all tests: it is not changed by calls.
var started = sync.OnceValues(func() (*charnames.Server, error) {
	s := new(charnames.Server)
	return s, s.Start(context.Background())
})

func names(t testing.TB) *charnames.Server {
	t.Helper()
	s, err := started()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
