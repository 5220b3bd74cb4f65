//go:build !race

package hotline_test

import (
	"context"
	"testing"

	"hotline"
)

// The race detector allocates on its own account, so this is not for it.
func TestRawAllocations(t *testing.T) {
	srv := new(hotline.Server)
	dir := serve(t, srv, new(echoServer))
	for _, address := range []string{"shm://", "unix://"} {
		var c echoClient
		d := &hotline.Dialer{Dir: dir}
		if err := d.Connect(t.Context(), &c, address); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		data, ctx := make([]byte, 16), context.Background()
		allocs := testing.AllocsPerRun(1000, func() {
			if _, err := c.EchoRaw(ctx, data); err != nil {
				t.Fatal(err)
			}
		})
		// Both sides are in this process: the one allocation is the result, which belongs to the caller.
		if allocs > 1 {
			t.Errorf("EchoRaw over %s: %v allocations a call, want 1", address, allocs)
		}
	}
}
