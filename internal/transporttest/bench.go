package transporttest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"hotline/internal/link"
)

// Bench measures raw calls of 16 bytes to a server in another process, by one caller and by many. The test binary's
// TestMain must call [Main].
func Bench(b *testing.B, transport Transport) {
	p, address := startPeer(b, transport, roleListenServe, "")
	ctx, cancel := context.WithTimeout(b.Context(), Patience)
	defer cancel()
	conn, err := transport.Dial(ctx, address)
	if err != nil {
		b.Fatal(err)
	}
	p.begin(b, conn)
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			b.ReportAllocs()
			var group sync.WaitGroup
			for i := range callers {
				group.Go(func() {
					data := make([]byte, 16)
					request := &link.Request{Method: methodEcho, Payload: data}
					for range b.N/callers + min(1, max(0, b.N%callers-i)) {
						reply, err := p.client.Call(context.Background(), request)
						if err != nil {
							b.Error(err)
							return
						}
						reply.Release()
					}
				})
			}
			group.Wait()
		})
	}
}
