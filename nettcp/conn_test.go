package nettcp_test

import (
	"errors"
	"io"
	"testing"

	"hotline/nettcp"
)

func TestSizes(t *testing.T) {
	sizes := []int{0, 1, 31, 32, 33, 479, 480, 481, 4063, 4064, 4065, 4095, 4096, 4097, 8159, 8160, 8161, 8191, 8192, 8193,
		16383, 16384, 16385, 65504, 65535, 65536, 131072, 256<<10 - 1, 256 << 10}
	each(t, nettcp.Options{MaxFrame: 256 << 10}, func(t *testing.T, a, b *nettcp.Conn) {
		errs := make(chan error, 1)
		go func() {
			for i, n := range sizes {
				if err := send(a, uint64(i), pattern(uint64(i), n)); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
		for i, n := range sizes {
			expect(t, b, uint64(i), pattern(uint64(i), n))
		}
		check(t, <-errs)
	})
}

func TestPingPong(t *testing.T) {
	each(t, nettcp.Options{}, func(t *testing.T, a, b *nettcp.Conn) {
		for i := range uint64(100) {
			check(t, send(a, i, pattern(i, 16)))
			expect(t, b, i, pattern(i, 16))
			check(t, send(b, i, pattern(i+1, 16)))
			expect(t, a, i, pattern(i+1, 16))
		}
		check(t, a.Close())
		if _, err := b.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("Next after the peer's Close: %v, want EOF", err)
		}
	})
}
