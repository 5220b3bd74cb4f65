//go:build unix

package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// channel is the worker's end of the control channel.
type channel struct {
	file *os.File
	mu   sync.Mutex // a message is written as a whole
	once sync.Once
	done chan struct{} // made and watched by the first Done
}

// open takes over the inherited descriptors.
func (s *Settings) open() error {
	fds := []int{s.ControlFD}
	for _, fd := range s.Listeners {
		fds = append(fds, fd)
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
	s.done = make(chan struct{})
	return nil
}

// Done returns a channel that is closed when the manager asks for the end or is gone.
func (s *Settings) Done() <-chan struct{} {
	s.once.Do(func() {
		go func() { // ends with the manager's end of the channel, or with Close
			defer close(s.done)
			io.Copy(io.Discard, s.file)
		}()
	})
	return s.done
}

// Close closes the worker's end of the channel, and with it what Done returned. The end of the process does the same.
func (s *Settings) Close() error {
	err := s.file.Close()
	<-s.Done()
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
	return &Control{file: file, in: bufio.NewReader(file)}, theirs, nil
}

// Next returns the next message of the worker. It returns io.EOF when the worker has closed its end, and an error that
// is os.ErrClosed after Close. One goroutine may call it at a time.
func (c *Control) Next() (*Message, error) {
	m, err := decode(c.in)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("control channel: %w", err)
	}
	return m, err
}

// Close closes the manager's end: the worker is asked to stop. It may be called at any time, more than once.
func (c *Control) Close() error {
	if err := c.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
