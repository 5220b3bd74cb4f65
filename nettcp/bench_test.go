package nettcp_test

import (
	"fmt"
	"hotline/nettcp"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkBesidePlain echoes with a second process, in turns through nettcp and through the hand-written echo of the
// same process pair's making. The figures are the medians of the rounds.
//
//	go test -run '^$' -bench BesidePlain ./nettcp
func BenchmarkBesidePlain(b *testing.B) {
	for _, network := range []string{"unix", "tcp"} {
		for _, size := range []struct {
			name string
			n    int
		}{{"16B", 16}, {"1KiB", 1 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}} {
			b.Run(network+"/"+size.name, func(b *testing.B) { besidePlain(b, network, size.n) })
		}
	}
}

func besidePlain(b *testing.B, network string, size int) {
	c := dialURL(b, start(b, "echo", network, address(b, network)).line(b), nil)
	network, addr, _ := strings.Cut(start(b, "plain", network, address(b, network)).line(b), "://")
	sock, err := net.Dial(network, addr)
	check(b, err)
	defer sock.Close()
	p := newPlain(sock)

	payload := make([]byte, size)
	back := make([]byte, size)
	ours := func() {
		if err := sendPieces(c, 1, payload); err != nil {
			b.Error(err)
		}
		if err := receivePieces(c, back); err != nil {
			b.Error(err)
		}
	}
	theirs := func() {
		if err := p.send(payload); err != nil {
			b.Error(err)
		}
		if _, err := p.receive(); err != nil {
			b.Error(err)
		}
	}
	block := max(1, 2_000_000/(20_000+size/2)) // rounds of a few milliseconds
	var mine, other []float64
	b.ReportAllocs()
	b.SetBytes(int64(2 * size))
	for left := b.N; left > 0; left -= block {
		n := min(block, left)
		mine = append(mine, timed(n, ours))
		b.StopTimer()
		other = append(other, timed(n, theirs))
		b.StartTimer()
	}
	b.ReportMetric(median(mine), "ns/echo")
	b.ReportMetric(median(other), "ns/plain")
	b.ReportMetric(median(mine)/median(other), "ratio")
}

// timed returns how long f takes in nanoseconds, on average over n runs.
func timed(n int, f func()) float64 {
	begin := time.Now()
	for range n {
		f()
	}
	return float64(time.Since(begin)) / float64(n)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// BenchmarkCallers echoes with a second process from many goroutines over one connection.
func BenchmarkCallers(b *testing.B) {
	for _, network := range []string{"unix", "tcp"} {
		for _, size := range []struct {
			name string
			n    int
		}{{"16B", 16}, {"1KiB", 1 << 10}, {"64KiB", 64 << 10}} {
			for _, n := range []int{1, 8, 64} {
				b.Run(fmt.Sprintf("%s/%s/%d", network, size.name, n), func(b *testing.B) {
					c := dialURL(b, start(b, "echo", network, address(b, network)).line(b), nil)
					callers(b, c, size.n, n)
				})
			}
		}
	}
}

// callers runs b.N echoes from n goroutines. A goroutine of its own reads for all.
func callers(b *testing.B, c *nettcp.Conn, size, n int) {
	replies := make([]chan struct{}, n)
	for i := range replies {
		replies[i] = make(chan struct{}, 1)
	}
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		buf := make([]byte, size)
		for {
			h, err := c.Next()
			if err != nil {
				return
			}
			if err := readFull(c, buf[:h.Length]); err != nil {
				b.Error(err)
			}
			replies[h.ID] <- struct{}{}
		}
	})
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range replies {
		writers.Go(func() {
			payload := make([]byte, size)
			for left.Add(-1) >= 0 {
				if err := send(c, uint64(i), payload); err != nil {
					b.Error(err)
					return
				}
				<-replies[i]
			}
		})
	}
	writers.Wait()
	b.StopTimer()
	c.Close()
	readers.Wait()
}
