// Package codec turns the arguments and the results of a call into bytes, by position, and back.
//
// A [Codec] has a name, by which the methods of a service choose it, and two methods: Append writes a list of values
// and Decode reads one. Values are handed over as pointers, so that no value is boxed on the way:
//
//	b, err := codec.Msgpack().Append(nil, []any{&a, &b})
//	err = codec.Msgpack().Decode(b, []any{&c, &d})
//
// Five codecs are built in: [Raw], [JSON], [Msgpack], [CBOR] and [Gob]. A user's own codec is one more [Codec],
// handed to [Find] beside its name. There is no registry to write into.
//
// Plain kinds are bool, integers, floats, string, []byte and time.Duration, types named after them that have no encoding
// of their own, and in part time.Time: the codecs encode and decode these without their libraries. A method that is
// bound has a [Plan] for its types, which has found out beforehand which of them are plain.
//
// # What a peer can do
//
// The bytes that Decode reads come from a peer that may be broken or hostile. For json, msgpack and cbor:
//
//   - a value nests at most [MaxDepth] deep: arrays, maps, structs and, in cbor, tags;
//   - a length or a count that is larger than what the bytes left can hold is an error before anything is allocated;
//   - the memory that the slices, maps and pointers of the decoded values take is bounded by 16 MiB plus 64 times the
//     length of the message, worked out from the counts in the message and the sizes of the Go types before anything
//     is allocated (a library may hold about twice that while it grows a slice). Who wants less lowers the limit on
//     the message;
//   - bytes that follow the last value are an error;
//   - a panic, be it in the library or in a value's own decoding method, is an error.
//
// Types with decoding methods of their own, such as UnmarshalJSON, bound themselves. Gob is for trusted peers alone,
// see [Gob] and [TrustedOnly].
//
// What is decoded never shares memory with the bytes it was decoded from, unless a type's own decoding method
// keeps the bytes that it was given, which the libraries forbid it.
package codec
