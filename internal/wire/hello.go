package wire

// The handshake: a client sends one Hello and gets one Welcome or one Refuse, each a message of a frame or more.
const (
	// Magic is the first word of a Hello and of a Welcome: "HOTL" in the order of the bytes.
	Magic = 'H' | 'O'<<8 | 'T'<<16 | 'L'<<24

	// Version is the version of the protocol that this package speaks.
	Version = 1

	// MaxHandshake bounds a Hello, a Welcome and a Refuse in bytes.
	MaxHandshake = 4 << 20

	// MaxMethods bounds the methods of a service: a method's number is a uint16 in a frame's header.
	MaxMethods = 1 << 16
)

// Hello is what a client says first.
type Hello struct {
	Oldest, Newest uint16 // protocol versions it speaks, both included
	MaxMessage     uint32 // the largest message it takes, in bytes
	Service        string // the name it wants to reach; empty for whatever is there
	Port           string // the port it wants to reach; empty for whatever is there
	ServiceVersion string // the version it was written for; empty for any
}

// Welcome is what a server answers to a Hello that it accepts.
type Welcome struct {
	Version        uint16   // of the protocol, for the rest of the link
	MaxMessage     uint32   // the largest message the server takes, in bytes
	MaxInFlight    uint32   // calls that may be in flight on this link
	Service        string   // its name
	Port           string   // its port
	ServiceVersion string   // its version
	Instance       string   // which instance of the service this is
	Methods        []Method // in the order of their numbers
}

// Method is a row of a service's method table.
type Method struct {
	Name        string // on the wire
	Codec       string // that encodes arguments and results
	Fingerprint uint64 // of the shapes below: when equal, they need no comparison
	Arguments   string // shape of the arguments, by position
	Results     string // shape of the results, by position
	Signature   string // in Go, for people
	Doc         string // doc comment where known, for people
}

// Append appends the encoding of m to b.
func (m *Hello) Append(b []byte) []byte {
	b = appendUint32(b, Magic)
	b = appendUint16(b, m.Oldest)
	b = appendUint16(b, m.Newest)
	b = appendUint32(b, m.MaxMessage)
	b = appendString(b, m.Service)
	b = appendString(b, m.Port)
	return appendString(b, m.ServiceVersion)
}

// ParseHello reads a Hello. Bytes that follow what this version knows are ignored, so that later versions can add
// to it. The result keeps no reference to b. The error is a [*ProtocolError].
func ParseHello(b []byte) (*Hello, error) {
	r := reader{b: b, what: "hello"}
	r.magic()
	m := &Hello{
		Oldest: r.uint16(), Newest: r.uint16(), MaxMessage: r.uint32(),
		Service: r.string(), Port: r.string(), ServiceVersion: r.string(),
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

// Append appends the encoding of m to b.
func (m *Welcome) Append(b []byte) []byte {
	b = appendUint32(b, Magic)
	b = appendUint16(b, m.Version)
	b = appendUint32(b, m.MaxMessage)
	b = appendUint32(b, m.MaxInFlight)
	b = appendString(b, m.Service)
	b = appendString(b, m.Port)
	b = appendString(b, m.ServiceVersion)
	b = appendString(b, m.Instance)
	b = appendUint32(b, uint32(len(m.Methods)))
	for i := range m.Methods {
		b = m.Methods[i].append(b)
	}
	return b
}

func (m *Method) append(b []byte) []byte {
	b = appendString(b, m.Name)
	b = appendString(b, m.Codec)
	b = appendUint64(b, m.Fingerprint)
	b = appendString(b, m.Arguments)
	b = appendString(b, m.Results)
	b = appendString(b, m.Signature)
	return appendString(b, m.Doc)
}

// methodMinSize is the least that a Method takes: six empty strings and a fingerprint.
const methodMinSize = 6*4 + 8

// ParseWelcome reads a Welcome, as [ParseHello] reads a Hello.
func ParseWelcome(b []byte) (*Welcome, error) {
	r := reader{b: b, what: "welcome"}
	r.magic()
	m := &Welcome{
		Version: r.uint16(), MaxMessage: r.uint32(), MaxInFlight: r.uint32(),
		Service: r.string(), Port: r.string(), ServiceVersion: r.string(), Instance: r.string(),
	}
	n := r.count(methodMinSize)
	if r.err == nil && n > MaxMethods {
		r.fail("%d methods, at most %d are possible", n, MaxMethods)
	}
	for i := 0; i < n && r.err == nil; i++ {
		m.Methods = append(m.Methods, Method{
			Name: r.string(), Codec: r.string(), Fingerprint: r.uint64(), Arguments: r.string(),
			Results: r.string(), Signature: r.string(), Doc: r.string(),
		})
	}
	if r.err == nil && m.Version != Version {
		r.fail("protocol version %d was chosen, this side speaks %d", m.Version, Version)
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}
