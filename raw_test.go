package hotline_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"hotline"
)

// rawShapes has a method of each of the sixteen raw shapes, named by its parts: context, argument, result, error.
type rawShapes struct {
	hotline.ServerMethodsBase `port:"raw" name:"raw_shapes"`
	rawMethods
	got []byte // by the last call with an argument; calls come one at a time here
}

type rawMethods struct {
	CARE func(context.Context, []byte) ([]byte, error) `codec:"raw"`
	CAR  func(context.Context, []byte) ([]byte, error) `codec:"raw"`
	CAE  func(context.Context, []byte) error           `codec:"raw"`
	CA   func(context.Context, []byte) error           `codec:"raw"`
	CRE  func(context.Context) ([]byte, error)         `codec:"raw"`
	CR   func(context.Context) ([]byte, error)         `codec:"raw"`
	CE   func(context.Context) error                   `codec:"raw"`
	C    func(context.Context) error                   `codec:"raw"`
	ARE  func([]byte) ([]byte, error)                  `codec:"raw"`
	AR   func([]byte) ([]byte, error)                  `codec:"raw"`
	AE   func([]byte) error                            `codec:"raw"`
	A    func([]byte) error                            `codec:"raw"`
	RE   func() ([]byte, error)                        `codec:"raw"`
	R    func() ([]byte, error)                        `codec:"raw"`
	E    func() error                                  `codec:"raw"`
	N    func() error                                  `codec:"raw"`
}

var errRaw = errors.New("as asked")

// note keeps what came, and fails where that is asked for.
func (s *rawShapes) note(b []byte) error {
	s.got = bytes.Clone(b)
	if string(b) == "fail" {
		return errRaw
	}
	return nil
}

func (s *rawShapes) CARE(_ context.Context, b []byte) ([]byte, error) { return b, s.note(b) }
func (s *rawShapes) CAR(_ context.Context, b []byte) []byte           { s.note(b); return b }
func (s *rawShapes) CAE(_ context.Context, b []byte) error            { return s.note(b) }
func (s *rawShapes) CA(_ context.Context, b []byte)                   { s.note(b) }
func (s *rawShapes) CRE(context.Context) ([]byte, error)              { return []byte("result"), nil }
func (s *rawShapes) CR(context.Context) []byte                        { return []byte("result") }
func (s *rawShapes) CE(context.Context) error                         { return errRaw }
func (s *rawShapes) C(context.Context)                                { s.got = []byte("called") }
func (s *rawShapes) ARE(b []byte) ([]byte, error)                     { return b, s.note(b) }
func (s *rawShapes) AR(b []byte) []byte                               { s.note(b); return b }
func (s *rawShapes) AE(b []byte) error                                { return s.note(b) }
func (s *rawShapes) A(b []byte)                                       { s.note(b) }
func (s *rawShapes) RE() ([]byte, error)                              { return []byte("result"), nil }
func (s *rawShapes) R() []byte                                        { return []byte("result") }
func (s *rawShapes) E() error                                         { return errRaw }
func (s *rawShapes) N()                                               { s.got = []byte("called") }

func TestRawShapes(t *testing.T) {
	service, srv := new(rawShapes), new(hotline.Server)
	dir := serve(t, srv, service)
	for _, way := range []string{"auto", "direct"} {
		t.Run(way, func(t *testing.T) { checkRawShapes(t, way, dir, srv, service) })
	}
}

func checkRawShapes(t *testing.T, way, dir string, srv *hotline.Server, service *rawShapes) {
	var c struct {
		hotline.ClientMethodsBase `name:"raw_shapes"`
		rawMethods
	}
	d, address := dialerBy(t, way, dir, srv)
	if err := d.Connect(t.Context(), &c, address); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	isErr := func(err error) bool { return err != nil && err.Error() == errRaw.Error() }

	for name, f := range map[string]func([]byte) ([]byte, error){
		"CARE": func(b []byte) ([]byte, error) { return c.CARE(ctx, b) },
		"CAR":  func(b []byte) ([]byte, error) { return c.CAR(ctx, b) },
		"ARE":  c.ARE, "AR": c.AR,
	} {
		if got, err := f([]byte("abc")); err != nil || string(got) != "abc" || string(service.got) != "abc" {
			t.Errorf("%s(abc): got %q, %v; the method got %q", name, got, err, service.got)
		}
		if _, err := f([]byte("fail")); isErr(err) != (name == "CARE" || name == "ARE") {
			t.Errorf("%s(fail): got %v", name, err)
		}
	}
	for name, f := range map[string]func([]byte) error{
		"CAE": func(b []byte) error { return c.CAE(ctx, b) },
		"CA":  func(b []byte) error { return c.CA(ctx, b) },
		"AE":  c.AE, "A": c.A,
	} {
		if err := f([]byte("abc")); err != nil || string(service.got) != "abc" {
			t.Errorf("%s(abc): got %v; the method got %q", name, err, service.got)
		}
		if err := f([]byte("fail")); isErr(err) != (name == "CAE" || name == "AE") {
			t.Errorf("%s(fail): got %v", name, err)
		}
	}
	for name, f := range map[string]func() ([]byte, error){
		"CRE": func() ([]byte, error) { return c.CRE(ctx) },
		"CR":  func() ([]byte, error) { return c.CR(ctx) },
		"RE":  c.RE, "R": c.R,
	} {
		if got, err := f(); err != nil || string(got) != "result" {
			t.Errorf("%s(): got %q, %v", name, got, err)
		}
	}
	if err := c.CE(ctx); !isErr(err) {
		t.Errorf("CE(): got %v", err)
	}
	if err := c.E(); !isErr(err) {
		t.Errorf("E(): got %v", err)
	}
	for name, f := range map[string]func() error{"C": func() error { return c.C(ctx) }, "N": c.N} {
		service.got = nil
		if err := f(); err != nil || string(service.got) != "called" {
			t.Errorf("%s(): got %v; the method noted %q", name, err, service.got)
		}
	}
}
