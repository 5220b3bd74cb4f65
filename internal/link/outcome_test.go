package link_test

import (
	"context"
	"errors"
	"strings"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// check holds what every caller was told against what was done.
func (l *life) check() {
	for i := range l.fates {
		if l.Steps[i].Kind == aPing {
			l.checkPing(i)
			continue
		}
		l.checkOutcome(i)
		if l.Steps[i].Kind.streams() {
			l.checkItems(i)
		}
	}
	for _, ctx := range l.seen {
		if ctx.Err() == nil {
			l.complain("the context of a handler lives on")
		}
	}
}

func (l *life) checkPing(i int) {
	s, err := &l.Steps[i], l.fates[i].err
	if err != nil && l.End.How == inPeace && !s.mayEnd() && !l.scarce() {
		l.complain("step %d: a ping: %v", i, err)
	}
}

// scarce reports whether calls may be refused because there are too many: handlers go on when their callers have gone.
func (l *life) scarce() bool { return l.Limit < len(l.Steps) }

// checkOutcome is the rule: each call comes to one of these, and each says truly how often it was executed.
func (l *life) checkOutcome(i int) {
	s, f := &l.Steps[i], &l.fates[i]
	n, err := f.executed.Load(), f.err
	var remote *wire.Error
	least, most := int32(1), int32(1)
	switch {
	case err == nil && s.Kind == aOneway:
		if l.End.How != inPeace || s.Timeout > 0 || l.scarce() {
			least = 0
		}
	case err == nil && s.Fails:
		l.complain("step %d: it went well, and its handler failed", i)
	case err == nil:
	case errors.Is(err, errBroke):
		if s.Break == 0 {
			least = 0 // the call may have been given up before it was entered
		}
	case errors.As(err, &remote):
		l.checkRemote(i, remote)
		if !remote.Code.Executed() {
			least, most = 0, 0
		}
	case errors.Is(err, link.ErrNotExecuted) == errors.Is(err, link.ErrMaybeExecuted):
		l.complain("step %d: an error without an outcome, or with two: %v", i, err)
	default:
		l.checkLocal(i, err)
		if least = 0; errors.Is(err, link.ErrNotExecuted) {
			most = 0
		}
	}
	if n < least || n > most {
		l.complain("step %d: it was executed %d times, and its caller was told: %v", i, n, err)
	}
}

// checkRemote wants a reason for what the server answered.
func (l *life) checkRemote(i int, e *wire.Error) {
	s := &l.Steps[i]
	cut := l.End.How != inPeace || s.mayEnd()
	ok := false
	switch e.Code {
	case wire.CodeApplication:
		ok = s.Fails && e.Message == errPlanned.Error() || cut && s.Kind.streams()
	case wire.CodeCanceled, wire.CodeDeadline:
		ok = cut
	case wire.CodeDraining:
		ok = l.End.How == byDrain || l.End.How == afterDrain
	case wire.CodeExhausted:
		ok = l.scarce()
	}
	if !ok {
		l.complain("step %d: the server answered: %v", i, e)
	}
}

// checkLocal wants a reason for an error of this side: the caller gave up, or the link ended. A link that has ended in order
// leaves nobody in doubt.
func (l *life) checkLocal(i int, err error) {
	s := &l.Steps[i]
	ordered := l.End.How == byDrain && l.End.Patience == 0
	switch own := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded); {
	case own && !s.mayEnd():
		l.complain("step %d, which nobody gave up: %v", i, err)
	case !own && l.End.How == inPeace:
		l.complain("step %d, whose link has not ended: %v", i, err)
	case !own && ordered && errors.Is(err, link.ErrMaybeExecuted):
		l.complain("step %d, whose link has ended in order: %v", i, err)
	}
}

// checkItems wants the items of a stream to have come as a prefix (that they came in order was seen when they came), and all of
// them before the end that was planned.
func (l *life) checkItems(i int) {
	s, f := &l.Steps[i], &l.fates[i]
	up := int(f.up.Load())
	if f.down > s.Down || up > s.Up {
		l.complain("step %d: %d items came down and %d up", i, f.down, up)
	}
	if f.executed.Load() == 0 && f.down+up > 0 {
		l.complain("step %d: it was not executed, and %d items came down and %d up", i, f.down, up)
	}
	var remote *wire.Error
	planned := f.err == nil || errors.As(f.err, &remote) && remote.Message == errPlanned.Error()
	if planned && f.down < s.Down && !(f.dropped && (s.mayEnd() || l.End.How == byClient)) {
		l.complain("step %d: %d of %d items came before the end: %v", i, f.down, s.Down, f.err)
	}
	if planned && s.Kind.sends() && s.Stop < 0 && !f.upEnded.Load() {
		l.complain("step %d: the handler returned, and had not seen the end of the client's stream", i)
	}
	if f.upEnded.Load() && up < s.Up {
		l.complain("step %d: the client's stream ended after %d of %d items", i, up, s.Up)
	}
}

// checkRest wants nothing to be left of the steps on either side of the link, which lives on where it has come to no end.
func (l *life) checkRest() {
	running, zombies, unsent, active := l.server.Counts()
	if l.End.How == inPeace && running|zombies|unsent|int64(active)|int64(l.server.Streams()) != 0 {
		l.complain("in the end the server counts %d, %d, %d, %d and %d streams", running, zombies, unsent, active, l.server.Streams())
	}
	if slots, free := l.client.Free(); slots != free {
		l.complain("in the end %d of %d slots are free", free, slots)
	}
	if l.End.How != inPeace && l.End.How != byBytes {
		if l.client.Err() == nil || l.server.Err() == nil {
			l.complain("the link should have ended: %v, %v", l.client.Err(), l.server.Err())
		}
		return
	}
	if err := l.client.Err(); err != nil && (l.End.How == inPeace || strings.Contains(err.Error(), "protocol")) {
		l.complain("the client's link ended by %v", err)
	}
	if err := l.server.Err(); err != nil && (l.End.How == inPeace || strings.Contains(err.Error(), "protocol")) {
		l.complain("the server's link ended by %v", err)
	}
	if l.client.Err() == nil {
		if err := l.client.Ping(context.Background()); err != nil && l.End.How == inPeace {
			l.complain("a ping in the end: %v", err)
		}
	}
}
