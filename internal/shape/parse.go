package shape

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SyntaxError is a text that is no shape.
type SyntaxError struct {
	Offset int // byte at which it was seen
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed shape at byte %d: %s", e.Offset, e.Reason)
}

// maxName bounds the name of a field or an opaque type, in bytes.
const maxName = 1 << 10

// parse returns the types of the tuple s.
func parse(s string) ([]*node, error) {
	if len(s) > MaxText {
		return nil, &SyntaxError{MaxText, fmt.Sprintf("%d bytes long, the limit is %d", len(s), MaxText)}
	}
	p := &parser{text: s}
	types := p.tuple()
	if p.err == nil && p.at < len(s) {
		p.fail("text after the end")
	}
	if p.err != nil {
		return nil, p.err
	}
	return types, nil
}

// parser reads a shape from its front to its end. After the first failure everything it returns is of no use.
type parser struct {
	text   string
	at     int
	opened []*node // slices, arrays, maps and structs, for references
	err    error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = &SyntaxError{p.at, fmt.Sprintf(format, args...)}
	}
}

// next takes the byte c from the front, if it is there.
func (p *parser) next(c byte) bool {
	if p.err == nil && p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(c byte) {
	if !p.next(c) {
		p.fail("%q expected", c)
	}
}

func (p *parser) tuple() []*node {
	p.expect('(')
	var types []*node
	for !p.next(')') && p.err == nil {
		if len(types) > 0 {
			p.expect(',')
		}
		types = append(types, p.member())
	}
	return types
}

// typ reads one type, with depth levels left.
func (p *parser) typ(depth int) *node {
	if depth == 0 {
		p.fail("nested deeper than %d", MaxDepth)
	}
	switch {
	case p.err != nil:
		return nil
	case p.next('*'):
		return p.pointer(depth)
	case p.next('['):
		return p.list(depth)
	case p.next('{'):
		return p.structure(depth)
	case p.next('@'):
		return &node{kind: kindOpaque, name: p.name(pathRune)}
	case p.next('#'):
		return p.reference()
	}
	word := p.name(wordRune)
	if word == "map" {
		n := p.open(kindMap)
		p.expect('[')
		n.key = p.typ(depth - 1)
		p.expect(']')
		n.elem = p.typ(depth - 1)
		return n
	}
	k, ok := scalars[word]
	if !ok {
		p.fail("no type is called %q", word)
	}
	return &node{kind: k}
}

// open returns a new node that references may name.
func (p *parser) open(k kind) *node {
	n := &node{kind: k}
	p.opened = append(p.opened, n)
	return n
}

func (p *parser) pointer(depth int) *node {
	n := &node{kind: kindPointer, elem: p.typ(depth)}
	if p.err == nil && (n.elem.kind == kindPointer || n.elem.kind == kindAny) {
		p.fail("a pointer to a pointer or to any")
	}
	return n
}

// list reads a slice or an array after its first bracket.
func (p *parser) list(depth int) *node {
	if !p.next(']') {
		n := p.open(kindArray)
		n.length = p.number()
		p.expect(']')
		n.elem = p.typ(depth - 1)
		return n
	}
	if rest := p.text[p.at:]; strings.HasPrefix(rest, "byte") {
		p.at += len("byte")
		return &node{kind: kindBytes}
	}
	n := p.open(kindSlice)
	n.elem = p.typ(depth - 1)
	if p.err == nil && n.elem.kind == kind(reflect.Uint8) { // the same type in Go, so it can't be told apart here
		n.kind, n.elem = kindBytes, nil
	}
	return n
}

func (p *parser) structure(depth int) *node {
	n := p.open(kindStruct)
	names := make(map[string]bool)
	for !p.next('}') && p.err == nil {
		if len(n.fields) > 0 {
			p.expect(';')
		}
		f := field{name: p.name(wordRune)}
		if names[f.name] {
			p.fail("two fields are called %q", f.name)
		}
		names[f.name] = true
		p.expect(' ')
		f.typ = p.typ(depth - 1)
		n.fields = append(n.fields, f)
	}
	return n
}

func (p *parser) reference() *node {
	number := p.number()
	if p.err == nil && number >= int64(len(p.opened)) {
		p.fail("reference to type %d, of %d so far", number, len(p.opened))
	}
	if p.err != nil {
		return nil
	}
	return p.opened[number]
}

// number reads digits without a leading zero.
func (p *parser) number() int64 {
	rest := p.text[p.at:]
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || len(digits) > 1 && digits[0] == '0' {
		p.fail("not a number: %.24q", digits)
		return 0
	}
	p.at += len(digits)
	return v
}

// name reads a quoted name, or one of plain runes. It is not empty.
func (p *parser) name(plain func(rune) bool) string {
	if p.err != nil {
		return ""
	}
	rest := p.text[p.at:]
	if strings.HasPrefix(rest, `"`) {
		return p.quoted(rest)
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return !plain(r) })
	if end < 0 {
		end = len(rest)
	}
	return p.take(rest[:end], end)
}

func (p *parser) quoted(rest string) string {
	literal, err := strconv.QuotedPrefix(rest)
	if err != nil {
		p.fail("a quote that does not end")
		return ""
	}
	name, err := strconv.Unquote(literal)
	if err != nil || !utf8.ValidString(name) {
		p.fail("a quoted name that is no text")
		return ""
	}
	return p.take(name, len(literal))
}

// take accepts name, which was size bytes of the text.
func (p *parser) take(name string, size int) string {
	if name == "" || len(name) > maxName {
		p.fail("a name of %d bytes, 1 to %d are allowed", len(name), maxName)
		return ""
	}
	p.at += size
	return name
}
