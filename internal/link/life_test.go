package link_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wire"
)

// errPlanned is what a handler, or a client's stream, fails with where the schedule says so.
var errPlanned = errors.New("as planned")

// errBroke is what became of a call with streams that the client gave up.
var errBroke = errors.New("broken out of")

// life is a schedule being followed.
type life struct {
	schedule
	relay   *relay
	client  *link.Client
	server  *link.Server
	buffers *link.Buffers
	fates   []fate
	steps   sync.WaitGroup
	ended   sync.WaitGroup // what ends the link as planned

	mu    sync.Mutex
	wrong []error           // guarded by mu: what must not have happened
	seen  []context.Context // guarded by mu: of handlers
}

// fate is what became of a step.
type fate struct {
	executed atomic.Int32 // how often its handler was entered
	err      error        // of the call; errBroke for a stream that was given up
	down     int          // items that the client received
	dropped  bool         // the client gave up before it had received what came
	up       atomic.Int32 // items that the handler received
	upEnded  atomic.Bool  // the handler saw the end of the client's stream, as planned
}

func (l *life) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Errorf(format, args...))
}

// follow does what a schedule says, within a bubble, and returns what is wrong with what came of it.
func (s *schedule) follow() error {
	l := &life{schedule: *s, fates: make([]fate, len(s.Steps)), buffers: &link.Buffers{Poison: true}}
	if err := l.begin(); err != nil {
		return err
	}
	stuck := time.AfterFunc(time.Hour, func() { // what still waits after that waits for ever
		stacks := make([]byte, 1<<20)
		l.complain("the schedule hangs: %d calls are in flight, %d run\n%s", l.client.InFlight(), l.server.Running(),
			stacks[:runtime.Stack(stacks, true)])
		l.relay.cut()
		l.client.Close()
		l.server.Close()
	})
	for i := range l.Steps {
		l.steps.Go(func() { l.fates[i].err = l.run(i) })
	}
	l.ended.Go(l.end)
	l.steps.Wait()
	l.ended.Wait()
	time.Sleep(time.Minute) // handlers that heed nothing end
	stuck.Stop()
	l.checkRest()
	l.client.Close()
	l.server.Close()
	l.relay.cut()
	l.server.Wait()
	time.Sleep(time.Minute) // the sentry goes; who stays is a deadlock of the bubble
	l.check()
	return errors.Join(l.wrong...)
}

func (l *life) begin() error {
	o := &link.Options{MaxInFlight: l.Limit, Buffers: l.buffers, Methods: link.NewMethods(int(aBoth) + 1)}
	limit := [2]int{-1, -1}
	if l.End.How == byBytes {
		limit[1] = l.End.Bytes
		if l.End.Upward {
			limit = [2]int{l.End.Bytes, -1}
		}
	}
	pipe := &transporttest.PipeOptions{MaxFrame: l.Frame, Capacity: l.Capacity * (l.Frame + wire.HeaderSize), Untrusted: !l.Trusted}
	near, far, relay := newRelay(pipe, l.Chunk, limit)
	l.relay = relay
	var err error
	if l.server, err = link.NewServer(far, handler(l.handle), o, nil); err != nil {
		return err
	}
	l.client, err = link.NewClient(near, o)
	return err
}

// end ends the link as planned.
func (l *life) end() {
	time.Sleep(time.Duration(l.End.At) * tick)
	switch l.End.How {
	case byDrain, afterDrain:
		if l.End.How == afterDrain {
			l.ended.Go(func() {
				time.Sleep(time.Duration(l.End.Bytes%4) * tick)
				l.relay.cut()
			})
		}
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if l.End.Patience > 0 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(l.End.Patience)*tick)
		}
		defer cancel()
		if err := l.server.Shutdown(ctx); err != nil && l.End.Patience == 0 {
			l.complain("Shutdown: %v", err)
		}
	case byCut:
		l.relay.cut()
	case byClient:
		l.client.Close()
	case byServer:
		l.server.Close()
	}
}

// content is item n of a direction of a step.
func content(number, n, size int, up bool) []byte {
	seed := uint64(number)<<32 | uint64(n)<<1
	if up {
		seed++
	}
	return pattern(size, seed)
}

// run is the client's part of a step.
func (l *life) run(i int) error {
	s := &l.Steps[i]
	time.Sleep(time.Duration(s.Start) * tick)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if s.Cancel >= 0 {
		defer time.AfterFunc(time.Duration(s.Cancel)*tick, cancel).Stop()
	}
	r := link.Request{Method: uint16(s.Kind), Payload: pattern(s.Size, uint64(i)), Timeout: time.Duration(s.Timeout) * tick}
	binary.LittleEndian.PutUint32(r.Payload, uint32(i))
	if s.Context && s.Timeout > 0 {
		var stop func()
		ctx, stop = context.WithTimeout(ctx, r.Timeout)
		defer stop()
		r.Timeout = 0
	}
	switch s.Kind {
	case aOneway:
		return l.client.Send(ctx, &r)
	case aPing:
		return l.client.Ping(ctx)
	case aCall:
		reply, err := l.client.Call(ctx, &r)
		return l.checkReply(i, &reply, err)
	}
	v, err := l.client.Open(ctx, &r, s.Kind.sends(), s.Kind.takes())
	if err != nil {
		return err
	}
	return l.converse(i, v)
}

// converse is the client's part of a step with streams.
func (l *life) converse(i int, v *link.ClientStream) error {
	s := &l.Steps[i]
	var producer sync.WaitGroup
	if s.Kind.sends() {
		producer.Go(func() { l.produce(i, v) })
	}
	if !s.Kind.takes() {
		producer.Wait()
	}
	for s.Kind.takes() && l.fates[i].down != s.Break {
		time.Sleep(time.Duration(s.Slow) * tick)
		item, err := v.Recv()
		if err != nil {
			l.fates[i].dropped = err != io.EOF
			break
		}
		if n := l.fates[i].down; !bytes.Equal(item, content(i, n, s.Item, false)) {
			l.complain("step %d: item %d from the server came changed", i, n)
		}
		l.fates[i].down++
	}
	defer producer.Wait()
	if s.Kind.takes() && l.fates[i].down == s.Break {
		v.Cancel()
		return errBroke
	}
	reply, err := v.Finish()
	return l.checkReply(i, &reply, err)
}

// produce is the client's stream.
func (l *life) produce(i int, v *link.ClientStream) {
	s := &l.Steps[i]
	for n := range s.Up {
		time.Sleep(time.Duration(s.Pause) * tick)
		if v.Send(content(i, n, s.Item, true)) != nil {
			return
		}
	}
	var why error
	if s.UpFails {
		why = errPlanned
	}
	_ = v.CloseSend(why) // the call's end says what became of it
}

func (l *life) checkReply(i int, reply *link.Reply, err error) error {
	s := &l.Steps[i]
	if err == nil && !bytes.Equal(reply.Body, pattern(s.Reply, uint64(i))) {
		l.complain("step %d: another reply came, of %d bytes", i, len(reply.Body))
	}
	reply.Release()
	return err
}

// handle is the server's part of a step.
func (l *life) handle(ctx context.Context, c *link.Incoming) error {
	i := int(binary.LittleEndian.Uint32(c.Payload))
	s := &l.Steps[i]
	l.fates[i].executed.Add(1)
	l.mu.Lock()
	l.seen = append(l.seen, ctx)
	l.mu.Unlock()
	want := pattern(s.Size, uint64(i))
	binary.LittleEndian.PutUint32(want, uint32(i))
	if !bytes.Equal(c.Payload, want) || c.Method != uint16(s.Kind) {
		l.complain("step %d: another request came", i)
	}
	if c.Stream != nil {
		if err := l.answer(i, c.Stream); err != nil {
			return err
		}
	}
	if err := s.last(ctx); err != nil {
		return err
	}
	if !bytes.Equal(c.Payload, want) {
		l.complain("step %d: the request was changed under its handler", i)
	}
	if s.Fails {
		return errPlanned
	}
	c.Reply = pattern(s.Reply, uint64(i))
	return nil
}

// last takes the time that the handler is to take.
func (s *step) last(ctx context.Context) error {
	done := ctx.Done()
	if !s.Heeds {
		done = nil
	}
	timer := time.NewTimer(time.Duration(s.Runs) * tick)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-done:
		return ctx.Err()
	}
}

// answer is the handler's part of the streams. It receives and sends at once.
func (l *life) answer(i int, v *link.Stream) error {
	sent := make(chan error, 1)
	go func() { sent <- l.send(i, v) }()
	return errors.Join(l.receive(i, v), <-sent)
}

// send is the server's stream.
func (l *life) send(i int, v *link.Stream) error {
	s := &l.Steps[i]
	for n := range s.Down {
		time.Sleep(time.Duration(s.Pause) * tick)
		if err := v.Send(content(i, n, s.Item, false)); err != nil {
			return err
		}
	}
	return nil
}

// receive takes the client's stream, whose planned failure is none of the handler's.
func (l *life) receive(i int, v *link.Stream) error {
	s, f := &l.Steps[i], &l.fates[i]
	for n := 0; s.Kind.sends(); n++ {
		if n == s.Stop {
			v.StopReceiving()
			return nil
		}
		time.Sleep(time.Duration(s.Slow) * tick)
		item, err := v.Recv()
		var remote *wire.Error
		switch {
		case err == io.EOF && !s.UpFails, errors.As(err, &remote) && remote.Message == errPlanned.Error() && s.UpFails:
			f.upEnded.Store(true)
			return nil
		case err != nil:
			return err
		case !bytes.Equal(item, content(i, n, s.Item, true)):
			l.complain("step %d: item %d from the client came changed", i, n)
		}
		f.up.Add(1)
	}
	return nil
}
