package link

// What the tests of package link_test need to see from the inside.

// SetGeneration makes the next ids of a client's free slots those of the nth user of the slot.
func (l *Client) SetGeneration(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.table.free {
		c.id = c.id&(1<<slotBits-1) | n<<slotBits
	}
}

// Parked returns how many callers sleep and would take the reading role, and whether somebody has it.
func (l *Client) Parked() (n int, reading bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := l.table.parked.first; c != nil; c = c.next {
		n++
	}
	return n, l.reading
}

// Waiting returns how many callers wait for a slot.
func (l *Client) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.table.queue)
}

// Free returns how many slots were made, and how many of them no call holds.
func (l *Client) Free() (slots, free int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.table.slots), len(l.table.free)
}

// Counts returns what a server believes of its calls.
func (s *Server) Counts() (running, zombies, unsent int64, active int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running.Load(), s.zombies.Load(), s.unsent.Load(), len(s.active)
}

// Workers returns how many goroutines serve the link.
func (s *Server) Workers() int {
	s.crew.mu.Lock()
	defer s.crew.mu.Unlock()
	return s.crew.n
}

// Streams returns how many streams the server knows of.
func (s *Server) Streams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams)
}

// The most that a producer may be ahead of its consumer, in bytes: what was sent, and what waits to be.
const MostAhead = fullWindow + 2*maxBatch

const SlotBits = slotBits

// Ahead returns how many bytes of replies a client of a stranger has made room for before they came.
func (l *Client) Ahead() int64 { return l.in.ahead.Load() }

// Ahead returns how many bytes servers have made room for before they came.
func (p *Buffers) Ahead() int64 { return p.ahead.Load() }
