package shm_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"hotline/internal/wait"
	"hotline/shm"
)

// descriptors returns how many files this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// mappings returns how many windows this process has mapped.
func mappings(t testing.TB) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(maps, []byte("/memfd:hotline"))
}

// TestLeaks: connections leave nothing behind, however they end.
func TestLeaks(t *testing.T) {
	if n := mappings(t); n != 0 {
		t.Fatalf("%d windows are mapped before the test", n)
	}
	ln, path := listen(t, nil)
	fds := descriptors(t)
	for range 50 {
		client, err := shm.Dial(context.Background(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		server := accept(t, ln)
		if n := mappings(t); n != 4 {
			t.Fatalf("%d windows are mapped, want 4: one for each direction at each end", n)
		}
		if err := write(client, 1, []byte("left in the ring")); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { _ = echo(client) })
		wg.Go(func() { _ = client.Close() })
		wg.Go(func() { _ = server.Close() })
		wait.Return(t, "closing", wg.Wait)
		if n := mappings(t); n != 0 {
			t.Fatalf("%d windows are mapped after Close", n)
		}
	}
	if n := descriptors(t); n != fds {
		t.Errorf("%d files are open, before there were %d", n, fds)
	}
}

// TestAddressesReturn: the addresses of a closed connection stay valid while somebody can use them, and are given back
// after that.
func TestAddressesReturn(t *testing.T) {
	ln, path := listen(t, nil)
	client, err := shm.Dial(context.Background(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	accept(t, ln)
	in, out := client.Addresses()
	_ = client.Close()
	runtime.GC()
	if !isMapped(t, in) || !isMapped(t, out) {
		t.Error("the addresses of a connection are gone while it is reachable")
	}
	runtime.KeepAlive(client)
	client = nil
	wait.Until(t, "addresses are not given back", func() bool {
		runtime.GC()
		return !isMapped(t, in) && !isMapped(t, out)
	})
}

// isMapped reports whether this process can use an address.
func isMapped(t *testing.T, address uintptr) bool {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(maps) {
		var from, to uintptr
		if _, err := fmt.Sscanf(string(line), "%x-%x ", &from, &to); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if from <= address && address < to {
			return true
		}
	}
	return false
}

// TestIdleMemory: what an idle connection costs in heap and stacks, at one end.
func TestIdleMemory(t *testing.T) {
	const links, limit = 300, 12 << 10
	ln, path := listen(t, nil)
	before := memory()
	conns := make([]*shm.Conn, 0, 2*links)
	var readers sync.WaitGroup
	for range links {
		client, err := shm.Dial(context.Background(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, client, accept(t, ln))
	}
	for _, conn := range conns {
		readers.Go(func() { _, _ = conn.Next() })
	}
	wait.Until(t, "not all readers sleep", func() bool {
		for _, conn := range conns {
			if !conn.Asleep() {
				return false
			}
		}
		return true
	})
	each := (memory() - before) / int64(len(conns))
	t.Logf("an idle connection costs %d bytes at each end, its reader's stack included", each)
	if each > limit {
		t.Errorf("an idle connection costs %d bytes at each end, want at most %d", each, limit)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	readers.Wait()
}

// memory returns the bytes of heap and stacks in use.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
