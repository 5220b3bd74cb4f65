package link_test

import (
	"testing"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// Clients that announce long requests on many calls, and send little of them, make their server hold little, on all their links
// together, whether they are trusted or not. When the links have ended, or the calls were given up, others may announce again.
func TestAnnouncementsAreBounded(t *testing.T) {
	const links, calls, most = 4, 500, 40 << 20
	for _, untrusted := range []bool{false, true} {
		o := &link.Options{Buffers: new(link.Buffers)}
		before := heap()
		var servers []*link.Server
		for n := range links {
			server, raw := rawClient(t, echo, o, &transporttest.PipeOptions{Untrusted: untrusted})
			for id := uint64(1); id <= calls; id++ {
				raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: id, Flags: wire.FlagMore, Total: 7 << 20}, []byte("x")))
			}
			if n == 0 {
				raw.Write(oneOf(wire.Header{Kind: wire.KindCancel, ID: 1}))
			}
			raw.Write(frame(wire.Header{Kind: wire.KindPing, ID: 9999}, nil))
			readFrame(t, raw)
			servers = append(servers, server)
		}
		if held := heap() - before; held > most {
			t.Errorf("untrusted %v: %d MiB are held", untrusted, held>>20)
		}
		for _, s := range servers {
			s.Close()
			wait.Return(t, "the server", s.Wait)
		}
		if n := o.Buffers.Ahead(); n != 0 {
			t.Errorf("untrusted %v: in the end %d bytes are announced", untrusted, n)
		}
	}
}
