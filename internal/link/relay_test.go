package link_test

import (
	"sync"

	"hotline/internal/link"
	"hotline/internal/transporttest"
)

// relay is a network between two connections: it passes bytes on, in pieces that have nothing to do with frames, and can be
// cut at any of them.
type relay struct {
	ends  [2]*transporttest.Raw // the client's and the server's
	chunk int
	limit [2]int // bytes that are passed on from that end until the relay is cut; less than 0 for no limit
	over  chan struct{}
	once  sync.Once
}

// newRelay returns the two connections that the relay is between.
func newRelay(o *transporttest.PipeOptions, chunk int, limit [2]int) (client, server link.Conn, r *relay) {
	near, a := transporttest.RawPipe(o)
	far, b := transporttest.RawPipe(o)
	r = &relay{ends: [2]*transporttest.Raw{a, b}, chunk: chunk, limit: limit, over: make(chan struct{})}
	go r.pass(0)
	go r.pass(1)
	return near, far, r
}

// cut ends both connections without a word, and perhaps within a frame.
func (r *relay) cut() {
	r.once.Do(func() {
		close(r.over)
		r.ends[0].Close()
		r.ends[1].Close()
	})
}

// pass passes on what one end sends, until that end is closed: what comes after the cut is dropped.
func (r *relay) pass(from int) {
	in, out, buf := r.ends[from], r.ends[1-from], make([]byte, r.chunk)
	for left := r.limit[from]; ; {
		n, err := in.Read(buf)
		if err != nil {
			out.CloseWrite()
			return
		}
		last := left >= 0 && n >= left
		if last {
			n = left
		}
		left = max(left-n, -1)
		if !r.wasCut() {
			if _, err := out.Write(buf[:n]); err != nil {
				in.CloseRead()
			}
		}
		if last {
			r.cut()
			left = -1
		}
	}
}

func (r *relay) wasCut() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}
