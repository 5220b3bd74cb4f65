//go:build unix

package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// channel is the worker's end of the control channel.
type channel struct {
	file *os.File
	mu   sync.Mutex // a message is written as a whole
	once sync.Once  // of watch
	done chan struct{}
	gone chan struct{}
	life
}

// open takes over the inherited descriptors.
func (s *Settings) open() error {
	fds := []int{s.ControlFD}
	for _, fd := range s.Listeners {
		fds = append(fds, fd)
	}
	if s.BoardFD != 0 {
		fds = append(fds, s.BoardFD)
	}
	for _, fd := range fds {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || fd < 3 {
			return fmt.Errorf("descriptor %d was not inherited: start the program through the manager, or unset %s", fd, Env)
		}
		unix.CloseOnExec(fd)
	}
	if err := unix.SetNonblock(s.ControlFD, true); err != nil { // so that a read ends when the file is closed
		return err
	}
	s.file = os.NewFile(uintptr(s.ControlFD), "control")
	s.done, s.gone = make(chan struct{}), make(chan struct{})
	s.parent = os.Getppid()
	return nil
}

// Done returns a channel that is closed when the manager asks for the end or is gone.
func (s *Settings) Done() <-chan struct{} {
	s.once.Do(func() { go s.watch() })
	return s.done
}

// Gone returns a channel that is closed when the manager does not wait any longer for the calls in flight, or is gone: the
// process has StopTimeout from then on. A while after that it kills its process group and itself.
func (s *Settings) Gone() <-chan struct{} {
	s.Done()
	return s.gone
}

// watch reads the manager's orders. It ends with the manager's end of the channel, or with Close.
func (s *Settings) watch() {
	defer close(s.gone)
	asked := sync.OnceFunc(func() { close(s.done) })
	defer asked()
	in := bufio.NewReader(s.file)
	for {
		line, err := readLine(in)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) { // by Close
				s.killLater()
			}
			return
		}
		o := new(Order)
		if json.Unmarshal(line, o) != nil {
			continue // a newer manager may have more to say
		}
		if o.Drain {
			asked()
		}
		if o.Stop {
			s.told.Store(true)
		}
		if o.Stacks != 0 {
			s.tellStacks(o.Stacks)
		}
	}
}

// Close closes the worker's end of the channel, and with it what Done returned. The end of the process does the same.
func (s *Settings) Close() error {
	err := s.file.Close()
	<-s.Gone()
	return err
}

func (s *Settings) send(m *Message) error {
	line, err := encode(m)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.file.Write(line)
	return err
}

// Control is the manager's end of the channel to one worker.
type Control struct {
	file *os.File
	in   *bufio.Reader
	asked
}

// Pair returns the manager's end of a new channel, and the end for the worker, which the caller passes to the process
// as an inherited descriptor and closes when the process has been started.
func Pair() (*Control, *os.File, error) {
	// Where the descriptors can't be made close-on-exec at once, no process may be started in between: it would inherit
	// the manager's end and keep it open.
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("make a control channel: %w", err)
	}
	ours, theirs := fds[0], os.NewFile(uintptr(fds[1]), "control of a worker")
	if err := unix.SetNonblock(ours, true); err != nil {
		return nil, nil, errors.Join(err, unix.Close(ours), theirs.Close())
	}
	file := os.NewFile(uintptr(ours), "control")
	return &Control{file: file, in: bufio.NewReader(file), asked: newAsked()}, theirs, nil
}

// Next returns the next message of the worker. It returns io.EOF when the worker has closed its end, and an error that
// is os.ErrClosed after Close. One goroutine may call it at a time. Answers are no messages: they go to who asked, so
// somebody has to be in Next for that.
func (c *Control) Next() (*Message, error) {
	for {
		m, err := decode(c.in)
		switch {
		case err == nil && m.Event == Stacks:
			c.answer(m)
			continue
		case err != nil:
			c.over()
			if !errors.Is(err, io.EOF) {
				err = fmt.Errorf("control channel: %w", err)
			}
		}
		return m, err
	}
}

// Stacks asks the worker what all its goroutines do, and returns what package runtime writes of them, cut where it is very
// long. It may be called by many at once, while another is in Next. A worker that does not answer before ctx ends is an
// error that says so.
func (c *Control) Stacks(ctx context.Context) (string, error) {
	number, answer := c.ask()
	defer c.forget(number)
	line, err := encode(&Order{Stacks: number})
	if err == nil {
		err = c.write(ctx, line)
	}
	if err != nil {
		return "", fmt.Errorf("ask the worker for its stacks: %w", err)
	}
	select {
	case text := <-answer:
		return text, nil
	case <-c.ended:
		return "", errors.New("the worker ended before it told its stacks")
	case <-ctx.Done():
		return "", fmt.Errorf("the worker did not tell its stacks: it is stopped by a signal, or does not come to it, "+
			"or is built with a version of hotline that can't: %w", context.Cause(ctx))
	}
}

// Drain asks the worker to end when its calls in flight have. It does not wait for that.
func (c *Control) Drain() error {
	line, err := encode(&Order{Drain: true})
	if err == nil {
		err = c.write(context.Background(), line)
	}
	if err != nil {
		return fmt.Errorf("control channel: ask for the end: %w", err)
	}
	return nil
}

// Stop asks the worker to end within its StopTimeout, and closes the manager's end. By the word before it the worker knows
// that its manager lives.
func (c *Control) Stop() error {
	line, err := encode(&Order{Stop: true})
	if err == nil && c.writing.TryLock() { // else it is one of those that read no orders
		if c.broken == nil {
			_ = c.file.SetWriteDeadline(time.Now().Add(stopWait)) // it can't fail for a socket that is open
			_, c.broken = c.file.Write(line)
		}
		c.writing.Unlock()
	}
	return errors.Join(err, c.Close())
}

// write writes an order. It fits into the socket's buffer, unless the worker reads none of very many.
func (c *Control) write(ctx context.Context, line []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.broken != nil {
		return c.broken
	}
	deadline := time.Now().Add(writeTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = c.file.SetWriteDeadline(deadline) // it can't fail for a socket that is open
	_, c.broken = c.file.Write(line)      // after a part of a line nothing more can be said
	return c.broken
}

// Close closes the manager's end, as the manager's death does: the worker stops. It may be called at any time, more than once.
func (c *Control) Close() error {
	if err := c.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
