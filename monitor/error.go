package monitor

import (
	"errors"
	"fmt"
	"net/http"
)

// Code says what kind of error an [Error] is.
type Code string

// The codes of errors.
const (
	BadRequest Code = "bad_request" // what was sent is wrong; the message says what
	Refused    Code = "refused"     // asked by another user
	NotFound   Code = "not_found"   // there is nothing of that name
	TooLarge   Code = "too_large"   // the body
	Busy       Code = "busy"        // too many connections or commands at once
	Failed     Code = "failed"      // the manager tried, and could not
)

// Error is an error that a manager answered with.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }

func errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// status returns the HTTP status of the error.
func (e *Error) status() int {
	switch e.Code {
	case BadRequest:
		return http.StatusBadRequest
	case Refused:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case Busy:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// asError returns err as what the client gets.
func asError(err error) *Error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return &Error{Code: Failed, Message: err.Error()}
}

// NoManagerError says that no manager runs in a runtime directory.
type NoManagerError struct {
	Dir string
	Err error // of the attempt to reach one
}

func (e *NoManagerError) Error() string {
	return fmt.Sprintf("no manager runs in %s: start one with hotline serve FILE.ini", e.Dir)
}

func (e *NoManagerError) Unwrap() error { return e.Err }
