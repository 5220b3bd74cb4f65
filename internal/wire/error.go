package wire

import "fmt"

// Bounds of what an error says beside its words, so that the receiver can make room for all of it.
const (
	// MaxIdentities is how many identities an error has at most.
	MaxIdentities = 16

	// MaxIdentityName bounds the name of one in bytes; it has one at least.
	MaxIdentityName = 128

	// MaxIdentityBytes bounds all of them as they are encoded, without their number.
	MaxIdentityBytes = 16 << 10
)

// Error is a failure as it crosses the wire: a code, the words for a person, and what it is for a program.
type Error struct {
	Code       Code
	Message    string
	Identities []Identity
}

// Identity is one of the errors that an error is or wraps, in the order in which errors.Is would meet them.
type Identity struct {
	// Depth is how many identities this one is within: the next ones that are deeper are wrapped by it. The first has 0,
	// and each is at most one deeper than the one before it.
	Depth uint32

	Name  string // by which both sides know the error, or its type
	Value []byte // of an error of a type: what both sides know how to decode
}

// size is what an identity takes.
func (i *Identity) size() int { return identityMinSize + len(i.Name) + len(i.Value) }

// identityMinSize is a depth and two empty strings.
const identityMinSize = 3 * 4

func (e *Error) Error() string { return e.Message }

// Errorf returns an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Room reports whether all may have one more identity.
func Room(all []Identity, one *Identity) bool {
	size := one.size()
	for i := range all {
		size += all[i].size()
	}
	return len(all) < MaxIdentities && len(one.Name) <= MaxIdentityName && size <= MaxIdentityBytes
}

// AppendError appends the payload of an error or refuse frame; the code goes in the header's Method.
func AppendError(b []byte, e *Error) []byte {
	b = appendString(b, e.Message)
	if len(e.Identities) == 0 {
		return b
	}
	b = appendUint32(b, uint32(len(e.Identities)))
	for i := range e.Identities {
		one := &e.Identities[i]
		b = appendUint32(b, one.Depth)
		b = appendString(b, one.Name)
		b = appendString(b, string(one.Value))
	}
	return b
}

// ParseError reads the payload of an error or refuse frame. The result keeps no reference to b. The error is a
// [*ProtocolError].
func ParseError(code Code, b []byte) (*Error, error) {
	r := reader{b: b, what: "error"}
	e := &Error{Code: code, Message: r.string()}
	if len(r.b) > 0 {
		e.Identities = r.identities()
	}
	if r.err != nil {
		return nil, r.err
	}
	return e, nil
}

func (r *reader) identities() []Identity {
	n := r.count(identityMinSize)
	if r.err == nil && n > MaxIdentities {
		r.fail("%d identities, at most %d are allowed", n, MaxIdentities)
	}
	var all []Identity
	deepest := uint32(0)
	for i := 0; i < n && r.err == nil; i++ {
		one := Identity{Depth: r.uint32(), Name: r.string(), Value: []byte(r.string())}
		switch {
		case r.err != nil:
		case one.Depth > deepest:
			r.fail("identity %d is at depth %d, at most %d is possible", i+1, one.Depth, deepest)
		case one.Name == "":
			r.fail("identity %d has no name", i+1)
		case !Room(all, &one):
			r.fail("identity %d is over the limits of %d bytes for a name and %d for all", i+1, MaxIdentityName, MaxIdentityBytes)
		}
		all, deepest = append(all, one), one.Depth+1
	}
	return all
}
