package hotline

import (
	"context"
	"errors"
	"strings"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// linkHandler answers the calls of one link.
type linkHandler struct {
	service *service
	trusted bool   // the peer may send what needs trust
	via     string // what the link goes over, for errors and logs

	// For interceptors.
	server *Server
	chain  chain // the server's
	peer   Peer
}

// newLinkHandler makes what answers the calls of a connection, whose handshake is done.
func (h *host) newLinkHandler(conn link.Conn) *linkHandler {
	s := h.server
	v := &linkHandler{service: h.service, trusted: conn.Trusted() || s.TCPAllowInsecureSerialisation, via: conn.String(), server: s}
	if len(s.Interceptors) > 0 {
		v.chain, v.peer = s.Interceptors, newPeer(conn, conn.String(), "")
	}
	return v
}

// Handle implements link.Handler.
func (h *linkHandler) Handle(ctx context.Context, c *link.Incoming) error {
	if int(c.Method) >= len(h.service.methods) {
		return wire.Errorf(wire.CodeNoMethod, "service %s has no method number %d: it has %d", h.service.base.name, c.Method, len(h.service.methods))
	}
	m := h.service.methods[c.Method]
	if (m.stream != nil) != (c.Stream != nil) {
		return wire.Errorf(wire.CodeBadArguments, "%s was called with other streams", m.wire.Signature)
	}
	if m.trustedOnly && !h.trusted {
		scheme, _, _ := strings.Cut(h.via, ":")
		return wire.Errorf(wire.CodeNotAllowed, "codec %s is for trusted peers and refused over %s: use shm:// or unix://, another codec, "+
			"or set tcp_allow_insecure_serialisation in the ini (Server.TCPAllowInsecureSerialisation)", m.wire.Codec, scheme)
	}
	invoke := m.invoke
	if h.chain != nil {
		invoke = h.intercepted(m)
	}
	if len(c.Metadata) > 0 {
		return withMetadata(ctx, c, m.name, invoke)
	}
	return invoke(ctx, c)
}

// InPlace implements link.Placer.
func (h *linkHandler) InPlace(method uint16) bool {
	return int(method) < len(h.service.methods) && h.service.methods[method].inPlace
}

// intercepted returns what answers a call of m by the server's interceptors.
func (h *linkHandler) intercepted(m *method) func(context.Context, *link.Incoming) error {
	return func(ctx context.Context, c *link.Incoming) error {
		call := &Call{
			Incoming: true, Service: h.service.base.name, Version: h.service.base.version,
			Method: m.wire.Name, Codec: m.wire.Codec, Kind: m.kind, Peer: h.peer, RequestSize: int64(len(c.Payload)),
		}
		err := h.chain.around(ctx, call, func(ctx context.Context) error {
			if call.answered {
				return errTwice
			}
			err := h.enter(ctx, c, m)
			call.answered = true
			call.ReplySize = int64(len(c.Reply))
			if c.Stream != nil {
				came, given := c.Stream.Size()
				call.RequestSize += came
				call.ReplySize += given
			}
			return call.show(err)
		})
		return call.conclude(err, h.server.known)
	}
}

var errTwice = errors.New("an interceptor of the server called next a second time")

// enter answers a call, and makes an error of a panic, so that interceptors see it as any other.
func (h *linkHandler) enter(ctx context.Context, c *link.Incoming, m *method) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil { // and not runtime.Goexit
			err = link.Panicked(h.server.Logger, h.via, c.Method, v)
		}
	}()
	err = m.invoke(ctx, c)
	returned = true
	return err
}

// show makes an error of the engine's own what interceptors can read.
func (c *Call) show(err error) error {
	failed, ok := err.(*wire.Error)
	if !ok {
		return err
	}
	c.failed, c.shown = failed, &Error{Method: c.Method, Code: failed.Code, Message: failed.Message}
	return c.shown
}

// conclude makes of what the interceptors returned what is answered.
func (c *Call) conclude(err error, known *knownErrors) error {
	switch {
	case err == nil:
		return nil
	case c.shown != nil && err == error(c.shown):
		return c.failed
	case c.entered && !c.isShown(err):
		return err
	}
	words := err.Error()
	if e, ok := err.(*Error); ok {
		words = e.Message
	}
	return &wire.Error{Code: c.code(err), Message: words, Identities: known.identify(err)}
}

func (c *Call) isShown(err error) bool {
	var e *Error
	return c.shown != nil && errors.As(err, &e) && e == c.shown
}

// code is that of a call that is answered with err.
func (c *Call) code(err error) Code {
	var e *Error
	switch {
	case c.isShown(err):
		return c.shown.Code
	case c.entered:
		return link.CodeOf(err)
	case errors.As(err, &e) && !e.Code.Executed():
		return e.Code
	}
	return CodeNotAllowed
}
