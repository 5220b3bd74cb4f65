package hotline

import (
	"context"
	"os"

	"hotline/internal/board"
	"hotline/internal/link"
	"hotline/internal/worker"
)

// counter counts the calls of a service where a manager wants to know them. A nil one counts nothing.
type counter struct {
	board *board.Board
	first int // number that the service's first method has there
}

// newCounters returns the counters of all services, or nil. A board that can't be used is no reason not to serve.
func (s *Server) newCounters(w *worker.Settings) []*counter {
	all := make([]*counter, len(s.services))
	if w == nil || w.BoardFD == 0 {
		return all
	}
	f := os.NewFile(uintptr(w.BoardFD), "board")
	defer f.Close()
	b, err := board.Open(f)
	if err != nil {
		s.Logger.Warn().Err(err).Msg("the manager can't see this program's calls")
		return all
	}
	first := 0
	for i, v := range s.services { // in the order of describe, by which the manager knows the methods
		all[i] = &counter{board: b, first: first}
		first += len(v.methods)
	}
	return all
}

// count returns the handler of a link with its calls counted, or as it is where nobody wants to know.
func (c *counter) count(h *linkHandler) link.Handler {
	if c == nil {
		return h
	}
	return &countingHandler{linkHandler: h, meter: c.board.Meter(c.first)}
}

// countingHandler is a linkHandler whose calls are counted.
type countingHandler struct {
	*linkHandler
	meter *board.Meter
}

// Handle implements link.Handler. A method that panics, or ends its goroutine, has failed; what calls Handle sees to it.
func (h *countingHandler) Handle(ctx context.Context, c *link.Incoming) error {
	if int(c.Method) >= len(h.service.methods) {
		return h.linkHandler.Handle(ctx, c)
	}
	call, failed := h.meter.Begin(int(c.Method)), true
	defer func() { call.End(failed) }()
	err := h.linkHandler.Handle(ctx, c)
	failed = err != nil
	return err
}
