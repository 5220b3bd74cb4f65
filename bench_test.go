package hotline_test

import (
	"context"
	"testing"

	"hotline"
)

func BenchmarkRaw16(b *testing.B) {
	srv := new(hotline.Server)
	dir := serve(b, srv, new(echoServer))
	for _, address := range []string{"shm://", "unix://", "inproc://"} {
		b.Run(address, func(b *testing.B) {
			var c echoClient
			d := &hotline.Dialer{Dir: dir, Server: srv}
			if err := d.Connect(b.Context(), &c, address); err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			data := make([]byte, 16)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.EchoRaw(ctx, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
