// Package wire is hotline's protocol as bytes: the frame header, the handshake messages and the error codes.
//
// It encodes and parses, and knows no sockets and no calls. Whatever comes from a peer is parsed here, and a value
// that was parsed without an error is safe to use: lengths are bounded, counts fit the bytes that are there.
// The byte tables are in spec.md, and a test holds them against the constants.
package wire
