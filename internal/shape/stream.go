package shape

import (
	"io"
	"reflect"
	"strings"
)

var (
	errorType      = reflect.TypeFor[error]()
	readerType     = reflect.TypeFor[io.Reader]()
	readCloserType = reflect.TypeFor[io.ReadCloser]()
)

// StreamOf returns what a stream is of: T for iter.Seq[T] and iter.Seq2[T, error], nil for io.Reader and io.ReadCloser,
// which are streams of bytes. It reports false for any other type.
func StreamOf(t reflect.Type) (elem reflect.Type, ok bool) {
	switch {
	case t == readerType || t == readCloserType:
		return nil, true
	case t.PkgPath() != "iter":
		return nil, false
	case strings.HasPrefix(t.Name(), "Seq["):
		return t.In(0).In(0), true
	case strings.HasPrefix(t.Name(), "Seq2[") && t.In(0).In(1) == errorType:
		return t.In(0).In(0), true
	}
	return nil, false
}

// HasStream reports whether some value of the tuple s is a stream. A text that is no shape has none.
func HasStream(s string) bool {
	if !strings.Contains(s, streamWord) && !strings.Contains(s, readerWord) {
		return false
	}
	types, _ := parse(s)
	for _, n := range types {
		if n.isStream() {
			return true
		}
	}
	return false
}

// How streams are written. They stand for a value of the tuple, never within another type.
const (
	streamWord = "stream["
	readerWord = "reader"
)

func (n *node) isStream() bool { return n.kind == kindStream || n.kind == kindReader }

// writeMember writes a value of the tuple.
func (w *writer) writeMember(t reflect.Type) error {
	elem, ok := StreamOf(t)
	switch {
	case !ok:
		return w.write(t, MaxDepth)
	case elem == nil:
		w.put(readerWord)
		return nil
	}
	w.put(streamWord)
	if err := w.write(elem, MaxDepth); err != nil {
		return within("item of "+t.String(), err)
	}
	w.put("]")
	return nil
}

// member reads a value of the tuple.
func (p *parser) member() *node {
	switch rest := p.text[p.at:]; {
	case strings.HasPrefix(rest, streamWord):
		p.at += len(streamWord)
		n := &node{kind: kindStream, elem: p.typ(MaxDepth)}
		p.expect(']')
		return n
	case strings.HasPrefix(rest, readerWord):
		p.at += len(readerWord)
		return &node{kind: kindReader}
	}
	return p.typ(MaxDepth)
}
