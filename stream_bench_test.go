package hotline_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"iter"
	"sync"
	"testing"

	"hotline"
)

// The peer's streams, and raw calls to compare them with.
func (s *peerServer) Numbers(_ context.Context, n int) iter.Seq2[int, error] {
	return numbers(n&^1, func(i int) int { return i })
}
func (s *peerServer) Sink(_ context.Context, of iter.Seq[int]) (n int) {
	for range of {
		n++
	}
	return n
}
func (s *peerServer) Answer(_ context.Context, of iter.Seq[int]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for n := range of {
			if !yield(n, nil) {
				return
			}
		}
	}
}
func (s *peerServer) StoreBytes(_ context.Context, data []byte) ([]byte, error) { return nil, nil }
func (s *peerServer) Store(_ context.Context, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
func (s *peerServer) FetchBytes(_ context.Context, size []byte) ([]byte, error) {
	return bulk()[:binary.LittleEndian.Uint64(size)], nil
}
func (s *peerServer) Fetch(_ context.Context, size []byte) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(bulk()[:binary.LittleEndian.Uint64(size)])), nil
}

const bulkSize = 32 << 20

var bulk = sync.OnceValue(func() []byte { return make([]byte, bulkSize) })

type peerStreams struct {
	hotline.ClientMethodsBase `name:"echo_serv"`
	Numbers                   func(context.Context, int) iter.Seq2[int, error]
	Sink                      func(context.Context, iter.Seq[int]) (int, error)
	Answer                    func(context.Context, iter.Seq[int]) iter.Seq2[int, error]
	StoreBytes                func(context.Context, []byte) ([]byte, error)
	Store                     func(context.Context, io.Reader) error
	FetchBytes                func(context.Context, []byte) ([]byte, error)
	Fetch                     func(context.Context, []byte) (io.ReadCloser, error)
}

func connectStreams(b *testing.B, dir, address string) *peerStreams {
	b.Helper()
	c := new(peerStreams)
	if err := (&hotline.Dialer{Dir: dir}).Connect(b.Context(), c, address); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkItems streams integers by msgpack between two processes, as many as the producer makes (there, and back) and one
// at a time (there and back); ns/op is the time of one item.
func BenchmarkItems(b *testing.B) {
	dir, _ := startPeer(b)
	for _, address := range []string{"shm://", "unix://"} {
		c, ctx := connectStreams(b, dir, address), context.Background()
		b.Run(address+"from-server", func(b *testing.B) {
			b.ReportAllocs()
			for _, err := range c.Numbers(ctx, b.N) {
				if err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(address+"to-server", func(b *testing.B) {
			b.ReportAllocs()
			n, err := c.Sink(ctx, func(yield func(int) bool) {
				for i := range b.N {
					if !yield(i) {
						return
					}
				}
			})
			if err != nil || n != b.N {
				b.Fatal(n, err)
			}
		})
		b.Run(address+"one-at-a-time", func(b *testing.B) {
			turns := make(chan int, 1)
			turns <- 0
			defer close(turns)
			for n, err := range c.Answer(ctx, func(yield func(int) bool) {
				for n := range turns {
					if !yield(n) {
						return
					}
				}
			}) {
				if err != nil {
					b.Fatal(err)
				}
				if n == b.N {
					break
				}
				turns <- n + 1
			}
		})
	}
}

// BenchmarkBulk moves 32 MiB between two processes as a raw call and by readers.
func BenchmarkBulk(b *testing.B) {
	dir, _ := startPeer(b)
	size := binary.LittleEndian.AppendUint64(nil, bulkSize)
	for _, address := range []string{"shm://", "unix://"} {
		c, ctx := connectStreams(b, dir, address), context.Background()
		for _, of := range []struct {
			name string
			move func() error
		}{
			{"to-server/call", func() error { _, err := c.StoreBytes(ctx, bulk()); return err }},
			{"to-server/reader", func() error { return c.Store(ctx, struct{ io.Reader }{bytes.NewReader(bulk())}) }},
			{"from-server/call", func() error { _, err := c.FetchBytes(ctx, size); return err }},
			{"from-server/reader", func() error {
				r, err := c.Fetch(ctx, size)
				if err != nil {
					return err
				}
				defer r.Close()
				_, err = io.Copy(io.Discard, r)
				return err
			}},
		} {
			b.Run(address+of.name, func(b *testing.B) {
				b.SetBytes(bulkSize)
				for b.Loop() {
					if err := of.move(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
