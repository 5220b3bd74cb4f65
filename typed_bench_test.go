package hotline_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"hotline"
)

// benchMethods are typed calls by each codec: two integers, a struct by pointer, and one by value, which goes through
// package reflect.
type benchMethods struct {
	Sum          func(ctx context.Context, a, b int) (int, error)       `codec:"msgpack"`
	SumCBOR      func(ctx context.Context, a, b int) (int, error)       `codec:"cbor"`
	SumJSON      func(ctx context.Context, a, b int) (int, error)       `codec:"json"`
	SumGob       func(ctx context.Context, a, b int) (int, error)       `codec:"gob"`
	Concat       func(ctx context.Context, a, b string) (string, error) `codec:"msgpack"`
	Point        func(ctx context.Context, p *point) (*point, error)    `codec:"msgpack"`
	PointByValue func(ctx context.Context, p point) (point, error)      `codec:"msgpack"`
	PointCBOR    func(ctx context.Context, p *point) (*point, error)    `codec:"cbor"`
	PointJSON    func(ctx context.Context, p *point) (*point, error)    `codec:"json"`
	Echo         func(ctx context.Context, b []byte) ([]byte, error)    `codec:"raw"`
}

type benchServer struct {
	hotline.ServerMethodsBase `port:"5558" name:"bench"`
	benchMethods
}

type benchClient struct {
	hotline.ClientMethodsBase `name:"bench"`
	benchMethods
}

func (s *benchServer) Sum(_ context.Context, a, b int) (int, error)           { return a + b, nil }
func (s *benchServer) SumCBOR(_ context.Context, a, b int) (int, error)       { return a + b, nil }
func (s *benchServer) SumJSON(_ context.Context, a, b int) (int, error)       { return a + b, nil }
func (s *benchServer) SumGob(_ context.Context, a, b int) (int, error)        { return a + b, nil }
func (s *benchServer) Concat(_ context.Context, a, b string) (string, error)  { return a + b, nil }
func (s *benchServer) Point(_ context.Context, p *point) (*point, error)      { return p, nil }
func (s *benchServer) PointByValue(_ context.Context, p point) (point, error) { return p, nil }
func (s *benchServer) PointCBOR(_ context.Context, p *point) (*point, error)  { return p, nil }
func (s *benchServer) PointJSON(_ context.Context, p *point) (*point, error)  { return p, nil }
func (s *benchServer) Echo(_ context.Context, b []byte) ([]byte, error)       { return b, nil }

// calls are the calls that are measured, in the order of the fields.
func (m *benchMethods) calls(ctx context.Context) []namedCall {
	p := &point{2, 300}
	return []namedCall{
		{"Sum", func() error { _, err := m.Sum(ctx, 2, 3); return err }},
		{"SumCBOR", func() error { _, err := m.SumCBOR(ctx, 2, 3); return err }},
		{"SumJSON", func() error { _, err := m.SumJSON(ctx, 2, 3); return err }},
		{"SumGob", func() error { _, err := m.SumGob(ctx, 2, 3); return err }},
		{"Concat", func() error { _, err := m.Concat(ctx, "two strings ", "in one"); return err }},
		{"Point", func() error { _, err := m.Point(ctx, p); return err }},
		{"PointByValue", func() error { _, err := m.PointByValue(ctx, *p); return err }},
		{"PointCBOR", func() error { _, err := m.PointCBOR(ctx, p); return err }},
		{"PointJSON", func() error { _, err := m.PointJSON(ctx, p); return err }},
	}
}

type namedCall struct {
	name string
	call func() error
}

// BenchmarkTyped is what a typed call costs beside its link: the client's function, the codec four times, and the
// method, in one goroutine. "reflect" is the same by package reflect, as methods go that there is no form for.
func BenchmarkTyped(b *testing.B) {
	for _, how := range []struct {
		name string
		slow bool
	}{{"form", false}, {"reflect", true}} {
		var c benchClient
		if err := hotline.Loop(new(benchServer), &c, how.slow); err != nil {
			b.Fatal(err)
		}
		for _, m := range c.calls(context.Background()) {
			b.Run(m.name+"/"+how.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := m.call(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkTypedLink is a typed call by each codec over a link within this process.
func BenchmarkTypedLink(b *testing.B) {
	c := connectBench(b, "inproc")
	for _, m := range c.calls(context.Background()) {
		b.Run(m.name, func(b *testing.B) { measure(b, m.call) })
	}
}

func connectBench(b *testing.B, way string) *benchClient {
	b.Helper()
	srv := new(hotline.Server)
	dir := serve(b, srv, new(benchServer))
	c := new(benchClient)
	d, address := dialerBy(b, way, dir, srv)
	if err := d.Connect(b.Context(), c, address); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkDirect is a direct call, with a context that never ends and with one that can, beside the same over a link within
// this process and beside the method itself.
func BenchmarkDirect(b *testing.B) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	direct, link, service := connectBench(b, "direct"), connectBench(b, "inproc"), new(benchServer)
	data, p := make([]byte, 16), &point{2, 300}
	for _, m := range []namedCall{
		{"Sum", func() error { _, err := direct.Sum(context.Background(), 2, 3); return err }},
		{"Sum/deadline", func() error { _, err := direct.Sum(ctx, 2, 3); return err }},
		{"Point", func() error { _, err := direct.Point(context.Background(), p); return err }},
		{"PointByValue", func() error { _, err := direct.PointByValue(context.Background(), *p); return err }},
		{"Echo", func() error { _, err := direct.Echo(context.Background(), data); return err }},
		{"Sum/link", func() error { _, err := link.Sum(context.Background(), 2, 3); return err }},
		{"Sum/method", func() error { _, err := service.Sum(context.Background(), 2, 3); return err }},
	} {
		b.Run(m.name, func(b *testing.B) { measureShort(b, m.call) })
	}
}

// measureShort repeats a call that is too short to be timed alone, and reports the median of a hundred calls' mean.
func measureShort(b *testing.B, call func() error) {
	const together = 100
	took := make([]time.Duration, 0, 1<<20)
	b.ReportAllocs()
	began, calls := time.Now(), 0
	for b.Loop() {
		if err := call(); err != nil {
			b.Fatal(err)
		}
		if calls++; calls%together == 0 && len(took) < cap(took) {
			now := time.Now()
			took = append(took, now.Sub(began))
			began = now
		}
	}
	if slices.Sort(took); len(took) > 0 {
		b.ReportMetric(float64(took[len(took)/2])/together, "p50-ns")
	}
}
