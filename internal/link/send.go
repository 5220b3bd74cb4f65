package link

import (
	"time"

	"hotline/internal/wire"
)

// send writes one message in as many frames as it needs. h gives kind, id, method, timeout and the flag
// FlagCancellable; the lengths and the other flags are filled in here. It reports whether anything was handed to the
// connection: after an error with begun == false the peer has seen nothing of the message.
func send(c Conn, stop Stop, h *wire.Header, metadata, payload []byte) (begun bool, err error) {
	if err := checkMetadata(c, metadata); err != nil {
		return false, err
	}
	h.Total = uint32(len(payload))
	h.Metadata = uint32(len(metadata))
	if n := len(metadata) + len(payload); n <= c.MaxFrame() {
		h.Length = uint32(n)
		err := c.Write(stop, h, metadata, payload)
		return err == nil, err
	}
	return sendPieces(c, stop, h, metadata, payload)
}

// checkMetadata reports whether metadata fits in one frame of c, with room for something else.
func checkMetadata(c Conn, metadata []byte) error {
	if len(metadata) == 0 {
		return nil
	}
	if most := min(c.MaxFrame()/2, wire.MaxMetadata); len(metadata) > most {
		return &TooLargeError{What: "metadata", Size: len(metadata), Limit: most}
	}
	return nil
}

// sendPieces is send for a message longer than a frame. Other messages travel between its pieces.
func sendPieces(c Conn, stop Stop, h *wire.Header, metadata, payload []byte) (begun bool, err error) {
	for first := true; first || len(payload) > 0; first = false {
		n := min(len(payload), c.MaxFrame()-len(metadata))
		h.Length = uint32(len(metadata) + n)
		h.Flags &^= wire.FlagMore | wire.FlagPiece
		if !first {
			h.Flags |= wire.FlagPiece
		}
		if n < len(payload) {
			h.Flags |= wire.FlagMore
		}
		if !first && stop.over() {
			return begun, ErrInterrupted // there was room for every piece so far, but nobody waits any more
		}
		if err := c.Write(stop, h, metadata, payload[:n]); err != nil {
			return begun, err
		}
		begun = true
		payload = payload[n:]
		metadata, h.Metadata = nil, 0
	}
	return true, nil
}

// over reports whether the wait is to be given up already.
func (s *Stop) over() bool {
	select {
	case <-s.Done:
		return true
	default:
		return !s.Deadline.IsZero() && !time.Now().Before(s.Deadline)
	}
}
