package codec

import (
	"bytes"
	"reflect"
	"strings"
)

// cursor reads the values of a message one after the other, each format in its own way. The message has been scanned
// without an error.
type cursor interface {
	// next reads a scalar or goes into an array or map. It returns what it is and, of a string, the text.
	next() (k kind, text []byte)

	// more reports whether the array or map around has another item, and leaves it if it has none.
	more() bool
}

// measure counts what one value takes in memory by walking it together with the type that it is decoded into.
// It recurses no deeper than the value nests.
type measure struct {
	cursor
	types *weigher
	tally
}

func measureValue(c cursor, types *weigher, v any) tally {
	m := measure{cursor: c, types: types}
	m.value(reflect.TypeOf(v).Elem())
	return m.tally
}

// value measures the next value, which is decoded into a t.
func (m *measure) value(t reflect.Type) {
	k, _ := m.next()
	if k == kindNil {
		return
	}
	for range pointerDepth {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
			m.add(1, int64(t.Size()))
		}
	}
	if t.Kind() == reflect.Interface {
		m.add(1, boxSize)
	}
	switch {
	case k != kindArray && k != kindMap:
	case m.types.isOpaque(t):
		m.rest(k, new(weights))
	case k == kindArray:
		m.array(t)
	default:
		m.mapping(t)
	}
}

func (m *measure) array(t reflect.Type) {
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		elem := t.Elem()
		for m.more() {
			if t.Kind() == reflect.Slice {
				m.add(1, int64(elem.Size()))
			}
			m.value(elem)
		}
	case reflect.Interface:
		for m.more() {
			m.add(1, ifaceSize)
			m.value(t)
		}
	case reflect.Struct: // in the order of its fields
		m.rest(kindArray, m.types.ofType(t))
	default:
		m.rest(kindArray, new(weights))
	}
}

func (m *measure) mapping(t reflect.Type) {
	switch t.Kind() {
	case reflect.Map:
		m.pairs(t.Key(), t.Elem())
	case reflect.Interface:
		m.pairs(t, t)
	case reflect.Struct:
		m.fields(t)
	default:
		m.rest(kindMap, new(weights))
	}
}

func (m *measure) pairs(key, elem reflect.Type) {
	n := 0
	for ; m.more(); n++ {
		m.value(key)
		m.value(elem)
	}
	slot, extra := slotSize(key, elem)
	m.addMap(n, slot, extra)
}

// fields measures a map that fills the struct t. A name that the struct does not have is most likely skipped; but the
// libraries know more names than a table can say, so its value is taken for the worst.
func (m *measure) fields(t reflect.Type) {
	table, worst := m.types.fields(t), m.types.ofType(t)
	unknown := false
	for m.more() {
		k, name := m.next()
		if k == kindArray || k == kindMap {
			m.rest(k, worst)
		}
		if f := table.find(k, name); f != nil {
			m.value(f)
			continue
		}
		unknown = true
		m.any(worst)
	}
	if unknown {
		m.add(1, worst.object)
	}
}

// any measures the next value by the worst that it can become.
func (m *measure) any(w *weights) {
	if k, _ := m.next(); k == kindArray || k == kindMap {
		m.rest(k, w)
	}
}

// rest measures what is in the array or map that has been entered by the worst that it can become.
func (m *measure) rest(k kind, w *weights) {
	n := 0
	for ; m.more(); n++ {
		m.any(w)
		if k == kindMap {
			m.any(w)
		}
	}
	if k == kindMap {
		w.mapping(&m.tally, n)
	} else {
		w.array(&m.tally, n, true)
	}
}

// fieldTable holds the types of a struct's fields by their names in lower case; the libraries differ in whether they
// tell the cases apart. A name that could stand for several fields has no type.
type fieldTable map[string]reflect.Type

func (g *weigher) fields(t reflect.Type) fieldTable {
	if f, ok := g.tables.Load(t); ok {
		return f.(fieldTable)
	}
	f := fieldTable{}
	f.fill(g, t, 0)
	g.tables.Store(t, f)
	return f
}

func (f fieldTable) fill(g *weigher, t reflect.Type, depth int) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, ok := g.name(field)
		switch {
		case !ok:
		case name != "":
			f.put(name, field.Type)
		case depth < MaxDepth:
			f.put(field.Name, nil)
			if field.Type.Kind() == reflect.Pointer {
				field.Type = field.Type.Elem()
			}
			if field.Type.Kind() == reflect.Struct {
				f.fill(g, field.Type, depth+1)
			}
		}
	}
}

func (f fieldTable) put(name string, t reflect.Type) {
	name = strings.ToLower(name)
	if _, known := f[name]; known {
		t = nil
	}
	f[name] = t
}

// find returns the type of the field called name, or nil where that is not certain.
func (f fieldTable) find(k kind, name []byte) reflect.Type {
	if k != kindString && k != kindBytes || bytes.ContainsFunc(name, func(r rune) bool { return r >= 0x80 || r == '\\' }) {
		return nil
	}
	return f[string(bytes.ToLower(name))]
}

// itemCursor is the cursor of msgpack and cbor.
type itemCursor struct {
	src  []byte
	read func(src []byte) (item, error) // msgpackItem or cborItem
	left [MaxDepth]uint64               // items to come in each array and map around
	in   int                            // arrays and maps around
}

func (c *itemCursor) next() (kind, []byte) {
	if c.in > 0 {
		c.left[c.in-1]--
	}
	it := item{kind: kindTag}
	for it.kind == kindTag {
		it, _ = c.read(c.src)
		c.src = c.src[it.size:]
	}
	switch it.kind {
	case kindString, kindBytes, kindExt:
		text := c.src[:it.n]
		c.src = c.src[it.n:]
		return it.kind, text
	case kindMap:
		it.n *= 2
		fallthrough
	case kindArray:
		c.left[c.in] = it.n
		c.in++
	}
	return it.kind, nil
}

func (c *itemCursor) more() bool {
	if c.left[c.in-1] > 0 {
		return true
	}
	c.in--
	return false
}

// jsonCursor is the cursor of JSON. It reads valid JSON only.
type jsonCursor struct{ src []byte }

func (c *jsonCursor) next() (kind, []byte) {
	c.skip()
	switch c.src[0] {
	case '"':
		n := jsonString(c.src)
		text := c.src[1 : n-1]
		c.src = c.src[n:]
		return kindString, text
	case '[':
		c.src = c.src[1:]
		return kindArray, nil
	case '{':
		c.src = c.src[1:]
		return kindMap, nil
	}
	first := c.src[0]
	for len(c.src) > 0 && !jsonSpace(c.src[0]) && !strings.ContainsRune(",:]}", rune(c.src[0])) {
		c.src = c.src[1:]
	}
	if first == 'n' {
		return kindNil, nil
	}
	return kindOther, nil
}

func (c *jsonCursor) more() bool {
	c.skip()
	if c.src[0] != ']' && c.src[0] != '}' {
		return true
	}
	c.src = c.src[1:]
	return false
}

// skip goes to the next value or closing bracket.
func (c *jsonCursor) skip() {
	for jsonSpace(c.src[0]) || c.src[0] == ',' || c.src[0] == ':' {
		c.src = c.src[1:]
	}
}
