package hotline

import (
	"context"
	"fmt"
	"reflect"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/shape"
	"hotline/internal/wire"
)

// untyped is a call whose types are known at run time only.
type untyped struct {
	method  string // on the wire
	wanted  bool   // the results are
	results []any  // pointers
	args    []any

	// Of the last attempt.
	by         *session
	sent, came int // bytes
}

// call makes it.
func (u *untyped) call(ctx context.Context, c *Client) error {
	scopeOf(ctx).forget() // here, as there may be no request
	return c.do(ctx, u.method, false, func(s *session, first bool) error { return u.attempt(ctx, c, s, first) })
}

// attempt makes one attempt at it.
func (u *untyped) attempt(ctx context.Context, c *Client, s *session, first bool) error {
	number, m, err := s.find(u.method)
	if err != nil {
		return err
	}
	by, err := codec.Find(m.Codec, c.dialer.Codecs)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotExecuted, err)
	}
	payload, err := u.encode(m, by)
	if err != nil {
		return err
	}
	r := request{Request: link.Request{Method: number, Payload: payload}}
	about := scopeOf(ctx)
	if err := about.attach(&r.Request); err != nil {
		return err
	}
	reply, err := c.send(ctx, s, first, &r)
	u.by, u.sent, u.came = s, len(payload), len(reply.Body)
	if err = about.collect(&reply, err); err != nil {
		return err
	}
	defer reply.Release()
	if !u.wanted {
		return nil
	}
	if err := by.Decode(reply.Body, u.results); err != nil {
		return fmt.Errorf("results of %s: %w", m.Signature, err)
	}
	return nil
}

// encode checks the arguments, and where the results are to go, against what the method has.
func (u *untyped) encode(m *wire.Method, by codec.Codec) ([]byte, error) {
	if shape.HasStream(m.Arguments) || shape.HasStream(m.Results) {
		return nil, fmt.Errorf("%w: %s streams: call it by a typed function", ErrNotExecuted, m.Signature)
	}
	args := pointers(u.args)
	if err := checkUntyped(m, by, "arguments", m.Arguments, args); err != nil {
		return nil, err
	}
	if u.wanted {
		if err := checkUntyped(m, by, "results", m.Results, u.results); err != nil {
			return nil, err
		}
	}
	payload, err := by.Append(nil, args)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotExecuted, err)
	}
	return payload, nil
}

// find returns the number and the row of a method.
func (s *session) find(method string) (uint16, *wire.Method, error) {
	for i := range s.welcome.Methods {
		if m := &s.welcome.Methods[i]; m.Name == method {
			return uint16(i), m, nil
		}
	}
	return 0, nil, wire.Errorf(wire.CodeNoMethod, "service %s has no method %s", s.welcome.Service, method)
}

// pointers returns a pointer to a copy of each value, as codecs take them.
func pointers(args []any) []any {
	all := make([]any, len(args))
	for i, a := range args {
		if a == nil {
			all[i] = new(any)
			continue
		}
		p := reflect.New(reflect.TypeOf(a))
		p.Elem().Set(reflect.ValueOf(a))
		all[i] = p.Interface()
	}
	return all
}

// checkUntyped compares the types that pointers point to with what a method has.
func checkUntyped(m *wire.Method, c codec.Codec, what, theirs string, ptrs []any) error {
	types := make([]reflect.Type, len(ptrs))
	for i, p := range ptrs {
		v := reflect.ValueOf(p)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return fmt.Errorf("%w: result %d is %T: pass a non-nil pointer", ErrNotExecuted, i+1, p)
		}
		types[i] = v.Type().Elem()
	}
	ours, err := shape.Of(types, fieldsOf(c))
	if err == nil && ours != theirs {
		err = shape.Compatible(ours, theirs)
	}
	if err != nil {
		return fmt.Errorf("%w: %s do not fit %s: %w", ErrNotExecuted, what, m.Signature, err)
	}
	return nil
}
