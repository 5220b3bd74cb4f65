package wire

import (
	"maps"
	"slices"
)

// AppendMetadata appends the encoding of m, which is the same for equal maps: the number of pairs, and the pairs in the
// order of their keys.
func AppendMetadata(b []byte, m map[string]string) []byte {
	b = appendUint32(b, uint32(len(m)))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		b = appendString(b, key)
		b = appendString(b, m[key])
	}
	return b
}

// MetadataSize returns the length of what AppendMetadata appends.
func MetadataSize(m map[string]string) int {
	n := 4
	for key, value := range m {
		n += pairMinSize + len(key) + len(value)
	}
	return n
}

// pairMinSize is two empty strings.
const pairMinSize = 2 * 4

// ParseMetadata reads the metadata of a message, all of b. The result keeps no reference to b. The error is a
// [*ProtocolError]: keys that are empty, that come twice or not in their order, and whatever does not end with b.
func ParseMetadata(b []byte) (map[string]string, error) {
	r := reader{b: b, what: "metadata"}
	n := r.count(pairMinSize)
	m := make(map[string]string, n)
	last := ""
	for i := 0; i < n && r.err == nil; i++ {
		key, value := r.string(), r.string()
		if r.err == nil && key <= last {
			r.fail("key %q comes after %q: keys are not empty, and in their order", key, last)
		}
		m[key], last = value, key
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes follow the last pair", len(r.b))
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}
