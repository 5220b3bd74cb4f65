package hotline

import (
	"errors"
	"fmt"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// unexecuted reports whether err, which an attempt at a call ended with, says that the attempt was not executed.
func unexecuted(err error) bool {
	var remote *wire.Error
	if errors.As(err, &remote) {
		return !remote.Code.Executed()
	}
	return errors.Is(err, ErrNotExecuted)
}

// overall is the outcome of a call whose last attempt ended with last, and of whose attempts before one may have been
// executed, where maybe is not nil: by its error. That the last one was not is not true of the call then.
func overall(maybe, last error) error {
	if maybe == nil || !unexecuted(last) {
		return last
	}
	return &doubtError{maybe, fmt.Errorf("when it was made again: %w", last)}
}

// noOther says that a call that ended with cause can't be made again. What it says of the outcome is what cause says, as an
// error of this side: where a server refused the call it is not to look as if that were all.
func noOther(cause, err error) error {
	var remote *wire.Error
	switch {
	case errors.Is(cause, ErrMaybeExecuted):
		return &doubtError{cause, fmt.Errorf("no other link could be made: %w", err)}
	case errors.Is(cause, link.ErrBusy):
		return fmt.Errorf("%w: %w", ErrNotExecuted, err)
	case errors.As(cause, &remote):
		cause = fmt.Errorf("%w: %w", ErrNotExecuted, link.ErrDraining)
	}
	return fmt.Errorf("%w, and no other link could be made: %w", cause, err)
}

// doubtError is the outcome of a call that may have been executed, by maybe, and of what came after that.
type doubtError struct{ maybe, later error }

func (e *doubtError) Error() string { return e.maybe.Error() + ", and " + e.later.Error() }

// Unwrap returns the error that says that the call may have been executed.
func (e *doubtError) Unwrap() error { return e.maybe }

// Is finds what came later too, but for the outcome that it had by itself.
func (e *doubtError) Is(target error) bool {
	return target != ErrNotExecuted && errors.Is(e.later, target)
}

// As finds what came later too, but for what a server answered: that was not the answer to the call.
func (e *doubtError) As(target any) bool {
	switch target.(type) {
	case **Error, **wire.Error:
		return false
	}
	return errors.As(e.later, target)
}
