//go:build !unix

package worker

import (
	"context"
	"os"
)

type channel struct{}

func (s *Settings) open() error { return ErrNotSupported }

// Done returns nil: there are no workers on this system.
func (s *Settings) Done() <-chan struct{} { return nil }

// Gone returns nil: there are no workers on this system.
func (s *Settings) Gone() <-chan struct{} { return nil }

// Close does nothing: there are no workers on this system.
func (s *Settings) Close() error { return nil }

// EndGroup does nothing: there are no workers on this system.
func (s *Settings) EndGroup() {}

func (s *Settings) send(*Message) error { return ErrNotSupported }

// Control is the manager's end of the channel to one worker. There is none on this system.
type Control struct{}

// Pair returns [ErrNotSupported].
func Pair() (*Control, *os.File, error) { return nil, nil, ErrNotSupported }

// Next returns [ErrNotSupported].
func (c *Control) Next() (*Message, error) { return nil, ErrNotSupported }

// Drain returns [ErrNotSupported].
func (c *Control) Drain() error { return ErrNotSupported }

// Stop does nothing.
func (c *Control) Stop() error { return nil }

// Stacks returns [ErrNotSupported].
func (c *Control) Stacks(context.Context) (string, error) { return "", ErrNotSupported }

// Close does nothing.
func (c *Control) Close() error { return nil }
