package hotline

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/shape"
)

var (
	readerType     = reflect.TypeFor[io.Reader]()
	readCloserType = reflect.TypeFor[io.ReadCloser]()
)

// streamType is a stream in a signature. A nil one is none.
type streamType struct {
	typ     reflect.Type
	elem    reflect.Type // of its items; nil for bytes
	failing bool         // its consumer sees an error: iter.Seq2 and the readers
}

// newStreamType returns nil where t is no stream, and an error where it is one that can't be sent.
func newStreamType(t reflect.Type) (*streamType, error) {
	elem, ok := shape.StreamOf(t)
	if !ok && t.PkgPath() == "iter" {
		return nil, errors.New("the second type of iter.Seq2 must be error")
	}
	if !ok {
		return nil, nil
	}
	return &streamType{typ: t, elem: elem, failing: elem == nil || strings.HasPrefix(t.Name(), "Seq2[")}, nil
}

// isBytes reports whether raw can carry the stream.
func (t *streamType) isBytes() bool { return t == nil || t.elem == nil || t.elem == bytesType }

// appendTo returns types with the stream behind them.
func (t *streamType) appendTo(types []reflect.Type) []reflect.Type {
	if t == nil {
		return types
	}
	return append(types[:len(types):len(types)], t.typ)
}

// items sends and receives the items of a stream.
type items struct {
	*streamType
	plan codec.Plan
	raw  bool
	form *streamForm // nil where package reflect iterates
}

func newItems(t *streamType, c codec.Codec) *items {
	if t == nil || t.elem == nil {
		return &items{streamType: t}
	}
	return &items{streamType: t, plan: codec.PlanFor(c, []reflect.Type{t.elem}), raw: c.Name() == "raw", form: streamFormOf(layoutOf(t.elem))}
}

// cell is memory for one item.
type cell struct {
	values
	buf []byte // the item, encoded
}

func (t *items) newCell() *cell { return &cell{values: newValues([]reflect.Type{t.elem})} }

// sender takes the items of a stream, or its bytes: a *link.Stream, or who knows better what became of them.
type sender interface {
	Send(item []byte) error
	Write(b []byte) (int, error)
	Batch() int
}

// send sends all that src, an iterator or a reader, has. It returns why src failed, or why nothing more could be sent.
func (t *items) send(s sender, src reflect.Value) (failed, unsent error) {
	if t.elem == nil {
		return sendBytes(s, src.Interface().(io.Reader))
	}
	c := t.newCell()
	t.each(src, c, func(err error) bool {
		if failed = err; failed == nil {
			unsent = t.sendOne(s, c)
		}
		c.clear()
		return failed == nil && unsent == nil
	})
	return failed, unsent
}

func (t *items) sendOne(s sender, c *cell) error {
	if t.raw {
		return s.Send(*c.ptrs[0].(*[]byte))
	}
	b, err := t.plan.Append(c.buf[:0], c.ptrs)
	if err != nil {
		return err
	}
	if c.buf = b; cap(b) > maxKeptBuffer {
		c.buf = nil
	}
	return s.Send(b)
}

// each iterates over src with each item in c.
func (t *items) each(src reflect.Value, c *cell, yield func(err error) bool) {
	if t.form != nil {
		t.form.each(src, c, t.failing, yield)
		return
	}
	if !t.failing {
		for v := range src.Seq() {
			c.elems[0].Set(v)
			if !yield(nil) {
				return
			}
		}
		return
	}
	for v, e := range src.Seq2() {
		c.elems[0].Set(v)
		err, _ := e.Interface().(error)
		if !yield(err) {
			return
		}
	}
}

// iterator makes an iterator of the stream's type, whose body is run: it calls yield for each item that it has put into
// c, and at most once, at the end, with an error, which only an iterator that is failing shows.
func (t *items) iterator(run func(c *cell, yield func(err error) bool)) reflect.Value {
	if t.form != nil {
		return t.form.iterator(t, run)
	}
	return reflect.MakeFunc(t.typ, func(in []reflect.Value) []reflect.Value {
		c := t.newCell()
		run(c, func(err error) bool {
			v := reflect.New(t.elem).Elem()
			v.Set(c.elems[0])
			args := []reflect.Value{v}
			if t.failing {
				args = append(args, reflect.ValueOf(&err).Elem())
			}
			return in[0].Call(args)[0].Bool()
		})
		return nil
	})
}

// receive waits for the next item and puts it into c.
func (t *items) receive(s *link.Stream, c *cell) error {
	b, err := s.Recv()
	if err != nil {
		return err
	}
	if err := t.plan.Decode(b, c.ptrs); err != nil {
		return &itemError{err}
	}
	return nil
}

// itemError says that an item came that can't be decoded.
type itemError struct{ err error }

func (e *itemError) Error() string { return "an item of the stream: " + e.err.Error() }
func (e *itemError) Unwrap() error { return e.err }

// writeTo writes what next returns, until it returns an error. What w returns is its own, and io.EOF of next is none.
func writeTo(w io.Writer, next func() ([]byte, error)) (n int64, err error) {
	for {
		b, err := next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		m, err := w.Write(b)
		if n += int64(m); err != nil {
			return n, err
		}
	}
}

// firstCopy is how much of an io.Reader is read at once in the beginning, in bytes.
const firstCopy = 4 << 10

// sendBytes is send for a reader.
func sendBytes(s sender, r io.Reader) (failed, unsent error) {
	if from, ok := r.(io.WriterTo); ok {
		to := &streamWriter{s: s}
		_, err := from.WriteTo(to)
		if to.unsent != nil {
			return nil, to.unsent
		}
		return err, nil
	}
	buf := make([]byte, firstCopy)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, unsent := s.Write(buf[:n]); unsent != nil {
				return nil, unsent
			}
		}
		if n == firstCopy && n == len(buf) {
			if more := s.Batch(); more > n {
				buf = make([]byte, more)
			}
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
	}
}

// streamWriter is a stream for a reader that writes itself.
type streamWriter struct {
	s      sender
	unsent error
}

func (w *streamWriter) Write(p []byte) (int, error) {
	n, err := w.s.Write(p)
	if err != nil {
		w.unsent = err
	}
	return n, err
}

// streamError is callError for what a stream ended with, which may be its end.
func (k *knownErrors) streamError(method string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return k.callError(method, err)
}

// openStream begins a call with streams, over another link where the first one does not do. Where cause is not nil, the call has
// been begun over r.by and ended by cause, which is safe to try again.
func (b *binding) openStream(ctx context.Context, c *Client, r *request, cause error) (v *link.ClientStream, err error) {
	r.Timeout, r.Fresh = b.tags.timeout, b.codec.Name() == "raw"
	if err := scopeOf(ctx).attach(&r.Request); err != nil {
		return nil, c.dialer.known.callError(b.name, err)
	}
	wait, cancel := r.bounded(ctx) // the stream itself goes on with ctx
	defer cancel()
	try := func(s *session, first bool) (err error) {
		r.Method = s.numbers[b.index]
		v, err = c.open(ctx, s, first, r, &b.sig)
		return err
	}
	if cause != nil {
		err = c.retry(wait, b.name, b.tags.idempotent, r.by, cause, try)
	} else {
		err = c.do(wait, b.name, b.tags.idempotent, try)
	}
	return v, err
}
