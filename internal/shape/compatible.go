package shape

import (
	"errors"
	"fmt"

	"hotline/internal/plural"
)

// MismatchError says where two shapes differ so that a value can't pass between them.
type MismatchError struct {
	Noun   string // what the tuple's values are: "argument" where it is empty; a caller may set it to "result"
	Value  int    // the value that differs, from 1; 0 where the numbers of values differ
	Path   string // where in that value: "field Owner.Tags[].Name", or "" for the value itself
	Ours   string // our type there, for people; all our types where Value is 0
	Theirs string // theirs

	ours, theirs int // numbers of values
}

func (e *MismatchError) Error() string {
	noun := e.Noun
	if noun == "" {
		noun = "argument"
	}
	switch {
	case e.Value == 0:
		return fmt.Sprintf("%s here: %s, %s there: %s", plural.Of(e.ours, noun), e.Ours, plural.Of(e.theirs, noun), e.Theirs)
	case e.Path == "":
		return fmt.Sprintf("%s %d: %s here, %s there", noun, e.Value, e.Ours, e.Theirs)
	}
	return fmt.Sprintf("%s %d: %s: %s here, %s there", noun, e.Value, e.Path, e.Ours, e.Theirs)
}

// maxWork bounds one comparison, in types and fields looked at. Real types stay far below.
const maxWork = 1 << 19

// Compatible reports by a nil error that values of our types can be sent as theirs, and the other way round. The
// error is a [*MismatchError] where they differ, and a [*SyntaxError] where a text is no shape.
//
// Tuples have the same number of values. Types have the same kind, where int is int64, uint is uint64, *T is T, and
// any is like everything. A field that only one struct has is fine. Types that marshal themselves have the same name.
func Compatible(ours, theirs string) error {
	if ours == theirs && len(ours) <= MaxText {
		return nil
	}
	a, err := parse(ours)
	if err != nil {
		return fmt.Errorf("our types: %w", err)
	}
	b, err := parse(theirs)
	if err != nil {
		return fmt.Errorf("the peer's types: %w", err)
	}
	return compatible(a, b)
}

func compatible(ours, theirs []*node) error {
	if len(ours) != len(theirs) {
		return &MismatchError{Ours: tupleText(ours), Theirs: tupleText(theirs), ours: len(ours), theirs: len(theirs)}
	}
	c := &comparison{seen: make(map[[2]*node]bool)}
	for i := range ours {
		if ours[i].isStream() != theirs[i].isStream() { // any is like everything but a stream
			return &MismatchError{Value: i + 1, Ours: ours[i].String(), Theirs: theirs[i].String()}
		}
		c.want(ours[i], theirs[i], nil, "")
		for len(c.queue) > 0 {
			if c.work > maxWork {
				return errors.New("the types are too large to be compared")
			}
			next := c.queue[0]
			c.queue = c.queue[1:]
			if !c.equal(next) {
				return &MismatchError{Value: i + 1, Path: next.path(), Ours: next.ours.String(), Theirs: next.theirs.String()}
			}
		}
	}
	return nil
}

// comparison walks two graphs at once, the least nested types first. A pair that was met before is taken as equal,
// so that recursive types come to an end.
type comparison struct {
	seen  map[[2]*node]bool
	queue []*pair
	work  int
}

// pair is two types that must fit, and how they were reached.
type pair struct {
	ours, theirs *node
	from         *pair
	step         string // from the pair before: ".Name", "[]", "[key]" or "[value]"
}

func (c *comparison) want(ours, theirs *node, from *pair, step string) {
	ours, theirs = ours.value(), theirs.value()
	key := [2]*node{ours, theirs}
	if c.seen[key] || ours.kind == kindAny || theirs.kind == kindAny {
		return
	}
	c.seen[key] = true
	c.work += 1 + len(ours.fields) + len(theirs.fields)
	c.queue = append(c.queue, &pair{ours, theirs, from, step})
}

// equal reports whether the types of p fit, as far as they don't depend on other pairs, which it puts in the queue.
func (c *comparison) equal(p *pair) bool {
	a, b := p.ours, p.theirs
	if a.kind != b.kind || a.name != b.name || a.length != b.length {
		return false
	}
	switch a.kind {
	case kindStream:
		c.want(a.elem, b.elem, p, "[]")
	case kindSlice, kindArray:
		c.want(a.elem, b.elem, p, "[]")
	case kindMap:
		c.want(a.key, b.key, p, "[key]")
		c.want(a.elem, b.elem, p, "[value]")
	case kindStruct:
		c.wantFields(p)
	}
	return true
}

func (c *comparison) wantFields(p *pair) {
	theirs := make(map[string]*node, len(p.theirs.fields))
	for _, f := range p.theirs.fields {
		theirs[f.name] = f.typ
	}
	for _, f := range p.ours.fields {
		if t := theirs[f.name]; t != nil {
			c.want(f.typ, t, p, "."+quoteUnless(f.name, wordRune))
		}
	}
}

// path returns how p was reached from the value that it is part of.
func (p *pair) path() string {
	const most = 1 << 10
	path := ""
	for ; p != nil && len(path) < most; p = p.from {
		path = p.step + path
	}
	switch {
	case path == "":
		return ""
	case path[0] == '.':
		return "field " + path[1:]
	}
	return "element " + path
}
