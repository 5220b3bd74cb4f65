package monitor

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/unixsock"
)

const (
	refusalWait = time.Second // for a request to begin that is refused, and for the refusal to be taken
	maxRefusals = 16          // under way; who comes then is turned away without a word
)

// gate is a listener that lets in whom the API is for, and only so many at once. The others get an answer, and keep nobody
// waiting.
type gate struct {
	*net.UnixListener
	most    int64
	trusted func(unixsock.Peer) bool
	log     zerolog.Logger

	open     atomic.Int64   // connections
	refusing atomic.Int64   // refusals under way
	refusals sync.WaitGroup // likewise; each ends within twice refusalWait
}

// visitor is a connection that was let in.
type visitor struct {
	net.Conn
	peer  unixsock.Peer
	leave func() // once
}

func (v *visitor) Close() error {
	defer v.leave()
	return v.Conn.Close()
}

// Accept returns the next connection that may stay.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.AcceptUnix()
		if err != nil {
			return nil, err
		}
		peer, refusal := g.admit(c)
		if refusal == nil {
			g.open.Add(1)
			return &visitor{c, peer, sync.OnceFunc(func() { g.open.Add(-1) })}, nil
		}
		g.log.Warn().Uint32("uid", peer.UID).Int("pid", peer.PID).Str("code", string(refusal.Code)).Msg("control: connection refused")
		if g.refusing.Add(1) > maxRefusals {
			g.refusing.Add(-1)
			c.Close()
			continue
		}
		g.refusals.Go(func() {
			defer g.refusing.Add(-1)
			refuse(c, refusal)
		})
	}
}

// admit says why a connection can't stay.
func (g *gate) admit(c *net.UnixConn) (unixsock.Peer, *Error) {
	peer, err := unixsock.PeerOf(c)
	switch {
	case err != nil:
		return peer, errorf(Refused, "the manager serves its own user only, and can't tell who you are: %v", err)
	case !g.trusted(peer):
		return peer, errorf(Refused, "this manager is user %d's, and you are user %d: run the command as that user, or as root",
			os.Geteuid(), peer.UID)
	case g.open.Load() >= g.most:
		return peer, errorf(Busy, "the manager has %d connections open, which is all that it takes: close some, or try again", g.most)
	}
	return peer, nil
}

// refuse answers a request that it does not look at, and closes. It waits for the request's beginning, since a client that is
// answered, or can't write any more, before it has asked need not read the answer.
func refuse(c net.Conn, e *Error) {
	defer c.Close()
	body, err := json.Marshal(event{Error: e})
	if err != nil {
		return
	}
	c.SetReadDeadline(time.Now().Add(refusalWait))
	c.Read(make([]byte, maxHeader+maxBody)) // who asks nothing is answered, too
	c.SetWriteDeadline(time.Now().Add(refusalWait))
	fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		e.status(), http.StatusText(e.status()), len(body), body)
}
