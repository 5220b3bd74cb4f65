package hotline_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
)

// BenchmarkRaw16 is an echo of 16 bytes between two processes, one call at a time, and beside it what it costs without
// hotline: a length-prefixed echo, written by hand, on a unix socket. The medians are p50-ns.
func BenchmarkRaw16(b *testing.B) {
	dir, _ := startPeer(b)
	for _, address := range []string{"shm://", "unix://"} {
		b.Run(address, func(b *testing.B) {
			c := connectEcho(b, dir, address)
			data, ctx := make([]byte, 16), context.Background()
			measure(b, func() error {
				_, err := c.EchoRaw(ctx, data)
				return err
			})
		})
	}
	b.Run("by-hand", func(b *testing.B) {
		conn, err := net.Dial("unix", filepath.Join(dir, byHand))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		r, buf := bufio.NewReaderSize(conn, 4<<10), make([]byte, 20)
		measure(b, func() error {
			binary.LittleEndian.PutUint32(buf, 16)
			if _, err := conn.Write(buf); err != nil {
				return err
			}
			_, err := io.ReadFull(r, buf)
			return err
		})
	})
}

// BenchmarkMetadata is BenchmarkRaw16 with a trace and a tenant beside each call: what a call pays that uses metadata.
func BenchmarkMetadata(b *testing.B) {
	dir, _ := startPeer(b)
	for _, address := range []string{"shm://", "unix://"} {
		b.Run(address, func(b *testing.B) {
			c, data := connectEcho(b, dir, address), make([]byte, 16)
			ctx := hotline.WithMetadata(context.Background(), "tenant", "acme")
			ctx = hotline.WithMetadata(ctx, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			measure(b, func() error {
				_, err := c.EchoRaw(ctx, data)
				return err
			})
		})
	}
}

// BenchmarkRaw is the raw echo between two processes by size, with one caller.
func BenchmarkRaw(b *testing.B) {
	dir, _ := startPeer(b)
	for _, address := range []string{"shm://", "unix://"} {
		for _, size := range []struct {
			name  string
			bytes int
		}{{"1KiB", 1 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}} {
			b.Run(address+size.name, func(b *testing.B) {
				c := connectEcho(b, dir, address)
				data, ctx := make([]byte, size.bytes), context.Background()
				b.SetBytes(int64(2 * size.bytes))
				measure(b, func() error {
					_, err := c.EchoRaw(ctx, data)
					return err
				})
			})
		}
	}
}

// BenchmarkSum is a typed call by msgpack between two processes.
func BenchmarkSum(b *testing.B) {
	dir, _ := startPeer(b)
	for _, address := range []string{"shm://", "unix://"} {
		b.Run(address, func(b *testing.B) {
			c, ctx := connectEcho(b, dir, address), context.Background()
			measure(b, func() error {
				_, err := c.Sum(ctx, 2, 3)
				return err
			})
		})
	}
}

// BenchmarkCallers is the raw echo of 16 bytes between two processes with many callers on one client; ns/op is the time
// in which one call of all is done.
func BenchmarkCallers(b *testing.B) {
	dir, _ := startPeer(b)
	for _, address := range []string{"shm://", "unix://"} {
		for _, callers := range []int{8, 64} {
			b.Run(address+map[int]string{8: "8", 64: "64"}[callers], func(b *testing.B) {
				c, ctx := connectEcho(b, dir, address), context.Background()
				var wg sync.WaitGroup
				for i := range callers {
					wg.Go(func() {
						data := make([]byte, 16)
						for range (b.N + i) / callers {
							if _, err := c.EchoRaw(ctx, data); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

// BenchmarkNewInstance reports how long it takes from when an instance is ready to its first call from a client whose 8 callers keep
// another instance busy: the median and the longest.
func BenchmarkNewInstance(b *testing.B) {
	for _, address := range []string{"shm://", "unix://"} {
		b.Run(address, func(b *testing.B) {
			dir, crew := tempDir(b), newCrew(1)
			start(b, dir, 1, crew[0])
			stop := keepCalling(b, connectCrew(b, &hotline.Dialer{Dir: dir}, address), 8)
			var took []time.Duration
			for b.Loop() {
				took = append(took, timeToFirstCall(b, dir))
			}
			stop()
			slices.Sort(took)
			milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(milliseconds(took[len(took)/2]), "p50-ms")
			b.ReportMetric(milliseconds(took[len(took)-1]), "max-ms")
		})
	}
}

// readiness takes the time of the first line in a server's log: that it serves.
type readiness struct {
	once sync.Once
	at   time.Time
}

func (r *readiness) Write(line []byte) (int, error) {
	r.once.Do(func() { r.at = time.Now() })
	return len(line), nil
}

// timeToFirstCall runs an instance of the crew until it was called.
func timeToFirstCall(b *testing.B, dir string) time.Duration {
	b.Helper()
	var ready readiness
	logger := zerolog.New(&ready)
	s := &crewServer{called: make(chan time.Time, 1)}
	srv := &hotline.Server{Dir: dir, Logger: &logger}
	if err := srv.Register(s); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(context.Background()) }()
	at := <-s.called
	if err := srv.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return at.Sub(ready.at)
}

// BenchmarkIdleCPU reports what CPU time 100 idle links to one server in another process use in 5 s on either side,
// the call that asks for it included. With -short nothing is waited for.
func BenchmarkIdleCPU(b *testing.B) {
	for _, address := range []string{"unix://", "shm://"} {
		b.Run(address, func(b *testing.B) {
			dir, _ := startPeer(b)
			p := connectPeer(b, dir)
			for b.Loop() {
				links := openLinks(b, dir, address, 100)
				if !testing.Short() {
					idleCPU(b, p)
				}
				closeLinks(links)
			}
		})
	}
}

// BenchmarkIdleMemory reports what each of thousands of idle links costs the server in heap and stacks. A link over shared
// memory has three descriptors open at each end, and 20,000 is a usual limit. With -short a hundred links are enough.
func BenchmarkIdleMemory(b *testing.B) {
	for _, of := range []struct {
		address string
		links   int
	}{{"unix://", 10_000}, {"shm://", 5_000}} {
		if testing.Short() {
			of.links = 100
		}
		b.Run(of.address, func(b *testing.B) {
			dir, _ := startPeer(b)
			p := connectPeer(b, dir)
			for b.Loop() {
				before := must(p.Memory())
				links := openLinks(b, dir, of.address, of.links)
				b.ReportMetric(float64(must(p.Memory())-before)/float64(len(links))/1024, "KiB/link")
				closeLinks(links)
			}
		})
	}
}

func openLinks(b *testing.B, dir, address string, n int) []*hotline.Client {
	b.Helper()
	links := make([]*hotline.Client, n)
	for i := range links {
		links[i] = dial(b, dir, "echo_serv", address)
	}
	return links
}

func closeLinks(links []*hotline.Client) {
	for _, l := range links {
		l.Close()
	}
}

// idleCPU reports the CPU time that both processes use in 5 s, once they are at rest.
func idleCPU(b *testing.B, p *peerClient) {
	runtime.GC()
	time.Sleep(time.Second)
	server := must(p.CPU())
	time.Sleep(100 * time.Millisecond)
	client := cpuTime()
	time.Sleep(5 * time.Second)
	b.ReportMetric(float64((cpuTime() - client).Microseconds()), "client-cpu-µs/5s")
	b.ReportMetric(float64((must(p.CPU()) - server).Microseconds()), "server-cpu-µs/5s")
}

// peerClient asks a peer about its process.
type peerClient struct {
	hotline.ClientMethodsBase `name:"echo_serv"`
	Memory                    func() (uint64, error)
	CPU                       func() (time.Duration, error)
	Mallocs                   func() (uint64, error)
}

func connectPeer(b testing.TB, dir string) *peerClient {
	b.Helper()
	c := new(peerClient)
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(b.Context(), c, "unix://"); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// must returns the result of a call to a peer that can't fail while the peer lives.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// connectEcho connects a client of the echo service until the benchmark ends.
func connectEcho(b *testing.B, dir, address string) *echoClient {
	b.Helper()
	c := new(echoClient)
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(b.Context(), c, address); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// measure repeats a call, and reports its median and its 99th percentile.
func measure(b *testing.B, call func() error) {
	took := make([]time.Duration, 0, 1<<21)
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		if err := call(); err != nil {
			b.Fatal(err)
		}
		if len(took) < cap(took) {
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
}
