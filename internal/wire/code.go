package wire

import "fmt"

// Code says how a call failed. It crosses the wire in the header of an error frame and in a refusal.
type Code uint16

// The codes. Codes below 16 say that the handler was not entered.
const (
	CodeRefused        Code = 1  // the handshake: unknown service, version or protocol
	CodeNoMethod       Code = 2  // the service has no such method
	CodeBadArguments   Code = 3  // the arguments could not be decoded
	CodeTooLarge       Code = 4  // the message is over the receiver's limit
	CodeExhausted      Code = 5  // more calls than the server, or one of its interceptors, takes
	CodeDraining       Code = 6  // the server no longer takes calls
	CodeNotAllowed     Code = 7  // the codec is not allowed on this transport, or the server refuses the call
	CodeApplication    Code = 16 // the method returned an error
	CodeCanceled       Code = 17 // the call's context was cancelled
	CodeDeadline       Code = 18 // the call's deadline passed
	CodePanic          Code = 19 // the method panicked
	CodeBadResult      Code = 20 // the results could not be encoded
	CodeResultTooLarge Code = 21 // the results are over the caller's limit
)

var codeNames = [...]string{
	CodeRefused: "refused", CodeNoMethod: "no such method", CodeBadArguments: "bad arguments",
	CodeTooLarge: "too large", CodeExhausted: "too many calls", CodeDraining: "draining",
	CodeNotAllowed: "not allowed", CodeApplication: "application error", CodeCanceled: "canceled",
	CodeDeadline: "deadline exceeded", CodePanic: "panic", CodeBadResult: "bad result",
	CodeResultTooLarge: "result too large",
}

// String returns the code's name in spec.md.
func (c Code) String() string {
	if int(c) < len(codeNames) && codeNames[c] != "" {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint16(c))
}

// Executed reports whether a call that failed with c had reached its handler.
func (c Code) Executed() bool { return c >= CodeApplication }

// ProtocolError is what a peer did that the protocol does not allow. It ends the link.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string { return "protocol error: " + e.Reason }

func protocolErrorf(format string, args ...any) error {
	return &ProtocolError{Reason: fmt.Sprintf(format, args...)}
}

// ProtocolErrorf returns a [*ProtocolError] with a formatted reason.
func ProtocolErrorf(format string, args ...any) error { return protocolErrorf(format, args...) }
