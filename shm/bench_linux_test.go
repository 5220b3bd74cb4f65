package shm_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/shm"
)

// BenchmarkPingPong is a frame to a second process and back, one at a time.
func BenchmarkPingPong(b *testing.B) {
	for _, size := range []int{0, 16, 1 << 10, 32 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			conn, _ := spawn(b, "echo", nil)
			pingPong(b, conn, size)
		})
	}
}

func pingPong(b *testing.B, conn *shm.Conn, size int) {
	payload := make([]byte, size)
	h := call(1, size)
	took := make([]time.Duration, 0, 1<<20)
	b.SetBytes(int64(2 * size))
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		if err := conn.Write(link.Stop{}, h, nil, payload); err != nil {
			b.Fatal(err)
		}
		conn.Ready()
		if _, err := conn.Next(); err != nil {
			b.Fatal(err)
		}
		if err := readAll(conn, payload); err != nil {
			b.Fatal(err)
		}
		if len(took) < cap(took) {
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
}
