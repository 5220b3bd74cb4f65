package shm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/shm"
)

// lend is a block of n bytes that are all v.
func lend(t *testing.T, c *shm.Conn, n int, v byte) link.Block {
	t.Helper()
	b := c.Lend(n)
	if b == nil {
		t.Fatalf("no block of %d bytes", n)
	}
	if len(b.Bytes()) != n || !b.Ours() || b.Conn() != link.Conn(c) {
		t.Fatalf("a block of %d bytes has %d, ours: %v", n, len(b.Bytes()), b.Ours())
	}
	for i := range b.Bytes() {
		b.Bytes()[i] = v
	}
	return b
}

// sendBlock sends the first n bytes of a block, and gives the handle up.
func sendBlock(t *testing.T, b link.Block, id uint64, metadata []byte, n int) {
	t.Helper()
	h := &wire.Header{Kind: wire.KindCall, ID: id}
	if err := b.Send(link.Stop{}, h, metadata, n); err != nil {
		t.Fatal(err)
	}
	if h.Flags != 0 {
		t.Errorf("the header was left with flags %#x", h.Flags)
	}
	b.Free()
}

// nextBlock waits for the frame with that id, whose message is n bytes in a block.
func nextBlock(t *testing.T, c *shm.Conn, id uint64, n int) wire.Header {
	t.Helper()
	h, err := c.Next()
	if err != nil || h.ID != id || h.Flags&wire.FlagBlock == 0 || int(h.Total) != n || h.Length != h.Metadata+h.Total {
		t.Fatalf("got %+v, %v, want a block of %d bytes with id %d", h, err, n, id)
	}
	return h
}

func wantAll(t *testing.T, b []byte, n int, v byte) {
	t.Helper()
	if len(b) != n || bytes.Count(b, []byte{v}) != n {
		t.Errorf("got %d bytes, %d of them are %#x, want %d", len(b), bytes.Count(b, []byte{v}), v, n)
	}
}

// TestBlocks sends blocks one way, by reference and back, and copied out.
func TestBlocks(t *testing.T) {
	a, b := pair(t, nil)
	const n = 100_000
	for id := uint64(1); id < 1000; id += 3 {
		v := byte(id)
		sent := lend(t, a, n, v)
		sendBlock(t, sent, id, []byte("metadata"), n-1)

		nextBlock(t, b, id, n-1) // taken, changed and sent back
		metadata := make([]byte, 8)
		if err := readAll(b, metadata); err != nil || string(metadata) != "metadata" {
			t.Fatalf("metadata: %q, %v", metadata, err)
		}
		taken := b.Take()
		wantAll(t, taken.Bytes(), n-1, v)
		if taken.Ours() {
			t.Error("the peer's block is said to be ours")
		}
		taken.Bytes()[0]++
		sendBlock(t, taken, id+1, nil, n-2)

		nextBlock(t, a, id+1, n-2) // the same block has come back
		back := a.Take()
		if !back.Ours() || back.Bytes()[0] != v+1 {
			t.Error("the block that came back is not what was sent")
		}
		wantAll(t, back.Bytes()[1:], n-3, v)
		sendBlock(t, back, id+2, nil, n-2)

		nextBlock(t, b, id+2, n-2) // copied out
		got := make([]byte, n-2)
		if err := readAll(b, got); err != nil {
			t.Fatal(err)
		}
		wantAll(t, got[1:], n-3, v)
	}
	if used, _ := a.Arena(); used != 0 {
		t.Errorf("%d units are in use when all were given back", used)
	}
}

// TestBlockKept: what was sent isn't given out again before both the peer and the sender have done with it.
func TestBlockKept(t *testing.T) {
	a, b := pair(t, nil)
	const n = 20_000
	first := lend(t, a, n, 1)
	if err := first.Send(link.Stop{}, &wire.Header{Kind: wire.KindCall, ID: 1}, nil, n); err != nil {
		t.Fatal(err)
	}
	nextBlock(t, b, 1, n)
	taken := b.Take()

	other := lend(t, a, n, 2)
	wantAll(t, taken.Bytes(), n, 1)
	other.Free()
	taken.Free() // the peer has done with it
	other = lend(t, a, n, 3)
	wantAll(t, first.Bytes(), n, 1)
	other.Free()
	first.Free() // we too
	if used, _ := a.Arena(); used != 0 {
		t.Errorf("%d units are in use", used)
	}

	first = lend(t, a, n, 1) // the other way round
	sendBlock(t, first, 2, nil, n)
	other = lend(t, a, n, 2)
	nextBlock(t, b, 2, n)
	taken = b.Take()
	wantAll(t, taken.Bytes(), n, 1)
	taken.Free()
	other.Free()
	if used, _ := a.Arena(); used != 0 {
		t.Errorf("%d units are in use", used)
	}
}

// TestBlockUnsent: a block that could not be sent is still the sender's.
func TestBlockUnsent(t *testing.T) {
	a, b := pair(t, &shm.Options{RingSize: shm.MinRingSize, MaxSpin: -1})
	const n = 20_000
	block := lend(t, a, n, 1)
	past := link.Stop{Deadline: time.Now().Add(-time.Hour)}
	id := uint64(0)
	for {
		id++
		if err := a.Write(past, call(id, 1000), nil, make([]byte, 1000)); errors.Is(err, link.ErrInterrupted) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := block.Send(past, &wire.Header{Kind: wire.KindCall, ID: id}, make([]byte, 500), n); !errors.Is(err, link.ErrInterrupted) {
		t.Fatalf("Send into a full ring: %v", err)
	}
	wantAll(t, block.Bytes(), n, 1)
	buf := make([]byte, 1000)
	for range id - 1 {
		if h, err := b.Next(); err != nil || readAll(b, buf[:h.Length]) != nil {
			t.Fatal(err)
		}
	}
	sendBlock(t, block, id, nil, n)
	nextBlock(t, b, id, n)
	b.Take().Free()
}

// TestArenaFull: there are as many blocks as have room, none too many, and all of them again.
func TestArenaFull(t *testing.T) {
	a, _ := pair(t, nil)
	r := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		var blocks []link.Block
		room := 0
		for {
			n := 8<<10 + r.IntN(1<<20)
			b := a.Lend(n)
			if b == nil {
				break
			}
			for i := range b.Bytes() {
				b.Bytes()[i] = byte(len(blocks))
			}
			blocks = append(blocks, b)
			room += n
		}
		if used, all := a.Arena(); room < 12<<20 || used > all {
			t.Errorf("%d blocks of %d bytes, %d of %d units", len(blocks), room, used, all)
		}
		for i, b := range blocks {
			wantAll(t, b.Bytes(), len(b.Bytes()), byte(i))
		}
		r.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
		for _, b := range blocks {
			b.Free()
		}
	}
	if used, _ := a.Arena(); used != 0 {
		t.Errorf("%d units are in use", used)
	}
	for _, n := range []int{shm.DefaultArenaSize - 16<<10, 8 << 10} {
		b := a.Lend(n)
		if b == nil {
			t.Fatalf("no block of %d bytes", n)
		}
		b.Free()
	}
	for _, n := range []int{shm.DefaultArenaSize, math.MaxInt, 1, 0, -1} {
		if b := a.Lend(n); b != nil {
			t.Errorf("a block of %d bytes", n)
		}
	}
}

// TestNoArena: a side that wants no blocks has none, and neither has the other.
func TestNoArena(t *testing.T) {
	for _, o := range []struct{ listen, dial int }{{-1, 0}, {0, -1}, {-1, -1}} {
		server, client := pairOf(t, &shm.Options{ArenaSize: o.listen}, &shm.Options{ArenaSize: o.dial})
		for _, c := range []*shm.Conn{server, client} {
			if b := c.Lend(1 << 20); b != nil {
				t.Errorf("%+v: there is a block", o)
			}
		}
		h := &wire.Header{Kind: wire.KindCall, ID: 1, Length: wire.BlockRefSize, Total: 100, Flags: wire.FlagBlock}
		if err := client.Write(link.Stop{}, h, nil, make([]byte, wire.BlockRefSize)); err != nil {
			t.Fatal(err)
		}
		_, err := server.Next()
		checkHostileEnd(t, "a block without an arena", err)
	}
	server, client := pairOf(t, &shm.Options{ArenaSize: 20_000}, nil) // rounded up: one unit for the words, one for a block
	b := client.Lend(16 << 10)
	if b == nil || server.Lend(16<<10+1) != nil {
		t.Fatal("an arena of two units has no block of one, or one of two")
	}
	b.Free()
	if _, err := shm.Listen("x", &shm.Options{ArenaSize: shm.MaxArenaSize + 1}); err == nil {
		t.Error("Listen with too large an arena: no error")
	}
}

// TestBlockOutlivesConn: a block that is held keeps its bytes when either side closes, and its memory goes with it.
func TestBlockOutlivesConn(t *testing.T) {
	for _, byPeer := range []bool{true, false} {
		a, b := pair(t, nil)
		const n = 50_000
		sendBlock(t, lend(t, a, n, 7), 1, nil, n)
		nextBlock(t, b, 1, n)
		taken := b.Take()
		kept := lend(t, b, n, 8)
		if byPeer {
			_ = a.Close()
			if _, err := b.Next(); err != io.EOF {
				t.Errorf("Next after the peer's end: %v", err)
			}
		}
		_ = b.Close()
		_ = a.Close()
		wantAll(t, taken.Bytes(), n, 7)
		wantAll(t, kept.Bytes(), n, 8)
		taken.Bytes()[0] = 1
		if b.Lend(n) != nil {
			t.Error("a closed connection gives out blocks")
		}
		if err := kept.Send(link.Stop{}, &wire.Header{Kind: wire.KindCall, ID: 1}, nil, n); err == nil {
			t.Error("a block was sent over a closed connection")
		}
		if in, out := b.Mapped(); !in || !out {
			t.Errorf("mapped: %v, %v while blocks are held", in, out)
		}
		taken.Free()
		if in, out := b.Mapped(); in || !out {
			t.Errorf("mapped: %v, %v when one block is held", in, out)
		}
		kept.Free()
		if in, out := b.Mapped(); in || out {
			t.Errorf("mapped: %v, %v when no block is held", in, out)
		}
	}
}

// TestBlockUnread: a connection that is closed under a block that nobody took keeps nothing.
func TestBlockUnread(t *testing.T) {
	a, b := pair(t, nil)
	const n = 50_000
	sendBlock(t, lend(t, a, n, 7), 1, nil, n)
	nextBlock(t, b, 1, n)
	_ = b.Close()
	if block := b.Take(); block != nil {
		t.Error("a block was taken of a closed connection")
	}
	if in, out := b.Mapped(); in || out {
		t.Errorf("mapped: %v, %v", in, out)
	}
}

// TestTrim: the memory of blocks goes back when they have not been used for a while, and that of one that is held stays.
func TestTrim(t *testing.T) {
	t.Parallel()
	a, b := pair(t, nil)
	const n = 1 << 20
	mem := a.OutMapping()
	before := resident(t, mem)
	held := lend(t, a, n, 1)
	for id := range uint64(4) {
		sendBlock(t, lend(t, a, n, byte(id)), id+1, nil, n)
	}
	for id := range uint64(4) {
		nextBlock(t, b, id+1, n)
		taken := b.Take()
		wantAll(t, taken.Bytes(), n, byte(id))
		taken.Free()
	}
	if got := resident(t, mem) - before; got < 4*n {
		t.Errorf("%d bytes are in use, at least %d were written", got, 4*n)
	}
	wait.Until(t, "memory of blocks that is given back", func() bool { return resident(t, mem)-before < 2*n })
	wantAll(t, held.Bytes(), n, 1)
	held.Free()
	again := lend(t, a, n, 9) // after it was trimmed
	wantAll(t, again.Bytes(), n, 9)
	again.Free()
}

// TestHostileBlocks: references to what is no block end the connection.
func TestHostileBlocks(t *testing.T) {
	const size = shm.DefaultArenaSize
	ours, peers := uint32(wire.ArenaReceiver), uint32(wire.ArenaSender)
	for name, ref := range map[string]struct {
		offset uint64
		arena  uint32
		total  uint32
	}{
		"behind the arena":            {size, peers, 1},
		"far behind":                  {1 << 63, peers, 1},
		"round the end of numbers":    {1<<64 - 16<<10, peers, 32 << 10},
		"across the end":              {size - 16<<10, peers, 16<<10 + 1},
		"as long as numbers go":       {16 << 10, peers, 1<<32 - 1},
		"in the words":                {0, peers, 1},
		"between units":               {16<<10 + 1, peers, 1},
		"in no arena":                 {16 << 10, 0, 1},
		"in an unknown arena":         {16 << 10, 3, 1},
		"of ours, never given out":    {1 << 20, ours, 1},
		"of ours, held and not lent":  {16 << 10, ours, 1},
		"of ours, within one":         {48 << 10, ours, 1},
		"of ours, longer than it was": {32 << 10, ours, 32<<10 + 1},
		"of ours, much longer":        {32 << 10, ours, 1<<32 - 1},
		"of ours, the words":          {0, ours, 1},
		"of ours, behind the arena":   {size, ours, 1},
		"of ours, far behind":         {1 << 63, ours, 1},
		"of ours, between units":      {32<<10 + 1, ours, 1},
	} {
		t.Run(name, func(t *testing.T) {
			victim, hostile := pair(t, nil)
			held := lend(t, victim, 16<<10, 1)                       // at 16 KiB
			sendBlock(t, lend(t, victim, 32<<10, 2), 1, nil, 32<<10) // at 32 KiB
			refer(t, hostile, ref.offset, ref.arena, ref.total)
			_, err := victim.Next()
			var protocol *wire.ProtocolError
			if !errors.As(err, &protocol) {
				t.Errorf("got %v, want a protocol error", err)
			}
			wantAll(t, held.Bytes(), 16<<10, 1)
			held.Free()
		})
	}
}

// refer sends a frame that refers to a block.
func refer(t *testing.T, c *shm.Conn, offset uint64, arena, total uint32) {
	t.Helper()
	b := make([]byte, wire.BlockRefSize)
	wire.BlockRef{Offset: offset, Arena: wire.Arena(arena)}.Put(b)
	h := &wire.Header{Kind: wire.KindCall, ID: 1, Length: uint32(len(b)), Total: total, Flags: wire.FlagBlock}
	if err := c.Write(link.Stop{}, h, nil, b); err != nil {
		t.Fatal(err)
	}
}

// TestHostileReturns: a peer that gives blocks back that it doesn't have, or twice, or sends one back twice.
func TestHostileReturns(t *testing.T) {
	victim, hostile := pair(t, nil)
	const n = 16 << 10
	held := lend(t, victim, n, 1)
	hostile.ReturnAll() // all words say that the peer has done with it: held is ours, whatever they say
	other := lend(t, victim, n, 2)
	wantAll(t, held.Bytes(), n, 1)
	sendBlock(t, other, 1, nil, n)
	hostile.ReturnAll() // this one it has
	third := lend(t, victim, n, 3)
	wantAll(t, held.Bytes(), n, 1)
	third.Free()
	held.Free()

	sendBlock(t, lend(t, victim, n, 4), 2, nil, n) // at the first unit
	refer(t, hostile, n, uint32(wire.ArenaReceiver), n)
	nextBlock(t, victim, 1, n)
	back := victim.Take()
	wantAll(t, back.Bytes(), n, 4)
	hostile.ReturnAll()
	again := lend(t, victim, n, 5)
	wantAll(t, back.Bytes(), n, 4)
	again.Free()
	refer(t, hostile, n, uint32(wire.ArenaReceiver), n)
	_, err := victim.Next()
	checkHostileEnd(t, "a block that came back twice", err)
	back.Free()
}

// TestBlocksUnderWay lends, sends back, gives back and copies at once, from several goroutines, and wants no byte of one in
// another.
func TestBlocksUnderWay(t *testing.T) {
	a, b := pair(t, &shm.Options{ArenaSize: 1 << 20})
	const senders, each = 4, 300
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var wg sync.WaitGroup
	answers := make([]chan link.Block, senders)
	for i := range answers {
		answers[i] = make(chan link.Block, 1)
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			for k := range each {
				n := 8<<10 + r.IntN(100_000)
				block := a.Lend(n)
				for block == nil && ctx.Err() == nil {
					time.Sleep(10 * time.Microsecond)
					block = a.Lend(n)
				}
				if block == nil {
					t.Errorf("sender %d: no block", i)
					return
				}
				for j := range block.Bytes() {
					block.Bytes()[j] = byte(i*each + k)
				}
				h := &wire.Header{Kind: wire.KindCall, ID: uint64(i + 1), Method: uint16(i*each + k)}
				if err := block.Send(link.Stop{}, h, nil, n); err != nil {
					t.Error(err)
					return
				}
				block.Free()
				back := <-answers[i]
				if back != nil {
					wantAll(t, back.Bytes(), n, byte(i*each+k)+1)
					back.Free()
				}
			}
		})
	}
	wg.Go(func() { answerBlocks(t, b, senders*each) })
	wg.Go(func() { // a's reader
		for range senders * each {
			h, err := a.Next()
			if err != nil {
				t.Error(err)
				return
			}
			if h.Flags&wire.FlagBlock == 0 {
				answers[h.ID-1] <- nil
				continue
			}
			answers[h.ID-1] <- a.Take()
		}
	})
	wg.Wait()
	if used, _ := a.Arena(); used != 0 {
		t.Errorf("%d units are in use", used)
	}
}

// answerBlocks answers n blocks: one it sends back changed, one it keeps for a moment and gives back, one it copies.
func answerBlocks(t *testing.T, c *shm.Conn, n int) {
	var taken sync.WaitGroup
	defer taken.Wait()
	buf := make([]byte, 200_000)
	for i := range n {
		h, err := c.Next()
		if err != nil {
			t.Error(err)
			return
		}
		v := byte(h.Method)
		head := &wire.Header{Kind: wire.KindReply, ID: h.ID}
		switch i % 3 {
		case 0:
			block := c.Take()
			wantAll(t, block.Bytes(), int(h.Total), v)
			for j := range block.Bytes() {
				block.Bytes()[j]++
			}
			if err := block.Send(link.Stop{}, head, nil, int(h.Total)); err != nil {
				t.Error(err)
			}
			block.Free()
			continue
		case 1:
			block := c.Take()
			taken.Go(func() { // longer than the call
				wantAll(t, block.Bytes(), int(h.Total), v)
				block.Free()
			})
		default:
			if err := readAll(c, buf[:h.Length]); err != nil {
				t.Error(err)
			}
			wantAll(t, buf[:h.Length], int(h.Total), v)
		}
		if err := c.Write(link.Stop{}, head, nil, nil); err != nil {
			t.Error(err)
		}
	}
}
