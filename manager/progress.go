package manager

import (
	"context"
	"fmt"
)

// Progress takes what a person wants to see of a command that takes long, a line each, without its end. It is called by
// one goroutine at a time, and may be slow. A nil Progress drops it.
type Progress func(line string)

// line shows a line.
func (say Progress) line(text string) {
	if say != nil {
		say(text)
	}
}

// listener is a command that shows what is said of a section. It belongs to one goroutine.
type listener struct {
	pool  *pool
	lines chan string
	show  Progress
}

// listen has what is said of the section shown, from now on until the listener is closed. It is shown while that waits, and at
// the end.
func (p *pool) listen(show Progress) *listener {
	l := &listener{p, make(chan string, 64), show}
	if show != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.listeners[l] = true
	}
	return l
}

// close ends the listening.
func (l *listener) close() {
	l.pool.mu.Lock()
	delete(l.pool.listeners, l)
	l.pool.mu.Unlock()
	for { // what was said until now
		select {
		case line := <-l.lines:
			l.show.line(line)
		default:
			return
		}
	}
}

// until waits until holds, which is called under the lock, returns true or an error.
func (l *listener) until(ctx context.Context, holds func() (bool, error)) error {
	p := l.pool
	ended := p.ended
	for {
		p.mu.Lock()
		var ok bool
		var err error
		if len(p.said) == 0 && !p.saying || closed(p.ended) { // else it will be looked at again when that has been said
			ok, err = holds()
		}
		changed := p.changed
		p.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ended: // look again: nothing will be said any more
			ended = nil
		case line := <-l.lines:
			l.show.line(line)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// await makes a change, which may be nil, and waits until holds, which is called under the lock, returns true or an error.
// What is said of the section meanwhile is shown.
func (p *pool) await(ctx context.Context, show Progress, change func(), holds func() (bool, error)) error {
	l := p.listen(show)
	defer l.close()
	if change != nil {
		p.update(change)
	}
	return l.until(ctx, holds)
}

// tell says something of the section, soon, to those alone who wait for a command. The lock is held.
func (p *pool) tell(format string, args ...any) {
	text := p.section + ": " + fmt.Sprintf(format, args...)
	p.said = append(p.said, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for l := range p.listeners {
			select {
			case l.lines <- text:
			default: // who shows them is too slow for all
			}
		}
	})
}
