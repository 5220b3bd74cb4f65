package hotline

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// maxGreeting bounds the handshakes that one service does at once, so that peers who connect and say nothing cost
// little. Those within this process are not counted: there are no such peers.
const maxGreeting = 256

// Where no connection can be taken, accept tries again after minAcceptPause, and then after twice the last pause, up to
// maxAcceptPause.
const (
	minAcceptPause = time.Millisecond
	maxAcceptPause = time.Second
)

// accept takes connections until its listener is closed. Other failures may pass, as that of too many open files does, and nobody
// else would take connections here: it tries again after a while.
func (h *host) accept(ln listener) {
	log := h.server.Logger.Sample(&zerolog.BurstSampler{Burst: 1, Period: time.Minute}) // of failures: there may be many
	for pause := minAcceptPause; ; {
		conn, err := ln.Accept()
		if err == nil {
			pause = minAcceptPause
			h.meet(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		log.Error().Err(err).Str("listener", ln.Addr()).Msg("no connection is taken here; trying again")
		select {
		case <-time.After(pause):
			pause = min(2*pause, maxAcceptPause)
		case <-h.stopping:
			return
		}
	}
}

// meet greets a new connection on a goroutine of its own, once there is a place for it. One that has got none when drain begins is
// closed.
func (h *host) meet(conn link.Conn) {
	select {
	case h.greeting <- struct{}{}:
	case <-h.stopping:
		conn.Close()
		return
	}
	h.accepting.Go(func() {
		defer func() { <-h.greeting }()
		h.greet(conn)
	})
}

// greet does the handshake on a new connection and makes it a link.
func (h *host) greet(conn link.Conn) {
	var peerMax uint32
	unwatch := context.AfterFunc(h.greetings, func() { conn.Close() })
	err := link.Receive(conn, h.server.HandshakeTimeout, func(hello *wire.Hello) (*wire.Welcome, *wire.Error) {
		peerMax = hello.MaxMessage
		return h.service.answer(hello, h.server, h.id)
	})
	unwatch() // if it is too late for that, the link finds its connection closed
	if err != nil {
		h.server.Logger.Warn().Err(err).Str("service", h.service.base.name).Msg("connection not taken")
		return
	}
	o := *h.shared
	o.MaxMessage, o.PeerMaxMessage, o.MaxInFlight = h.server.MaxMessage, int(min(peerMax, 1<<31-1)), h.server.MaxInFlight
	o.Logger, o.Methods = h.server.Logger, h.service.slow
	var l *link.Server
	added := make(chan struct{})
	l, err = link.NewServer(conn, h.counter.count(h.newLinkHandler(conn)), &o, func() {
		<-added
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.links, l)
	})
	if err != nil {
		h.server.Logger.Error().Err(err).Msg("connection not taken")
		conn.Close()
		return
	}
	h.mu.Lock()
	h.links[l] = struct{}{}
	draining := h.draining
	h.mu.Unlock()
	close(added)
	if end, ok := conn.(*inprocEnd); ok {
		end.met(l, h.service)
	}
	if draining != nil { // drain has not seen this link; its client was welcome, and is to be told
		_ = l.Shutdown(draining)
	}
}
