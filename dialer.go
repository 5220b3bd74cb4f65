package hotline

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/spin"
	"hotline/internal/wire"
	"hotline/registry"
)

// Dialer connects clients. Its zero value has the defaults; it may be used many times, by many goroutines, and is
// copied when a client connects.
type Dialer struct {
	// TLS is for tls:// addresses; by default the system's certificates are trusted.
	TLS *tls.Config

	// Codecs are codecs of the user's own, beside the built-in ones.
	Codecs []codec.Codec

	// Errors are the errors that the client tells apart when methods return them, beside those that are always known; see
	// [KnownError].
	Errors []KnownError

	// Dir is the runtime directory; see [Server.Dir].
	Dir string

	// Timeout bounds each attempt to connect, handshake included, and how long a call whose context has no deadline
	// waits for an instance when there is none any more; 5 s by default.
	Timeout time.Duration

	// MaxMessage is the largest reply taken, in bytes; 128 MiB by default.
	MaxMessage int

	// MaxInFlight is how many calls may be in flight on the client's link; further callers wait. By default, and at
	// the most, what the server allows (1,024 by its default).
	MaxInFlight int

	// MaxSpin is the longest that a link may poll for its peer before it sleeps; see [Server.MaxSpin].
	MaxSpin time.Duration

	// Server is the server in this process that inproc:// addresses reach, without a socket. It may begin to serve a little
	// later: connecting waits for it, for Timeout.
	Server *Server

	// Interceptors are code around every call that the client makes, the outermost first; see [Interceptor].
	Interceptors []Interceptor

	// Direct makes calls over inproc:// calls of the method itself, on the goroutine of the caller, where the types of its
	// arguments and results are the same here and there: nothing is encoded, and nothing copied. So both sides share what
	// pointers, slices and maps in the arguments and in the results refer to, and neither may change it once it has passed it
	// on, nor once it has got it; fields that a codec would leave out are there. Bytes under raw are copied, so that each
	// side owns its own: the argument once, and the result unless it is part of the argument.
	//
	// For the rest such a call is as any other: limits on its number and on the size of raw bytes, metadata, errors, panics,
	// draining and outcomes are the same, and the method's context has the caller's deadline and cancellation, and none
	// of its values. But a call returns when its method does, also when its context has ended before (then with the same error
	// as ever), and a method that calls runtime.Goexit ends the goroutine of its caller.
	//
	// Methods whose types differ go through their codec, as over every other address, and so do methods that stream, one-way
	// functions and those with a [Buffer]; a debug line in the log names them when the client connects. A program that is to
	// be split one day should be tested without Direct too: what a codec can't send is found then.
	Direct bool

	// Logger takes what the client has to say to an operator: at debug level, why a faster way or an earlier address was not
	// taken. Nothing is logged by default.
	Logger *zerolog.Logger

	// Of the copy that a client has.
	spin  *spin.Group // for all its links
	known *knownErrors
}

// target is the service that a client wants.
type target struct {
	name, port, version string // from tags or from a text; what is empty is not asked for
	word                string // a name or a port, where a text did not say which
}

// parseTarget reads "name", "name@major" or a port.
func parseTarget(text string) (*target, error) {
	if registry.IsNumber(text) {
		return &target{port: text}, registry.CheckPort(text)
	}
	name, major, versioned := strings.Cut(text, "@")
	if err := registry.CheckName(name); err != nil {
		return nil, err
	}
	if versioned {
		_, err := registry.Major(major)
		return &target{name: name, version: major}, err
	}
	return &target{word: text}, nil
}

// key is what to look up in the registry.
func (t *target) key() string {
	switch {
	case t.word != "":
		return t.word
	case t.name == "":
		return t.port
	case t.version != "":
		major, _ := registry.Major(t.version) // checked when it was read
		return t.name + "@" + major
	}
	return t.name
}

// String is what is wanted, for people: the key, and the version where that has none.
func (t *target) String() string {
	if t.name == "" && t.version != "" {
		return t.port + " of version " + t.version
	}
	return t.key()
}

// fits reports what is wrong with the service that answered.
func (t *target) fits(w *wire.Welcome) error {
	if t.word != "" && t.word != w.Service && t.word != w.Port {
		return fmt.Errorf("%s@%s (port %s) answered, not %s", w.Service, w.ServiceVersion, w.Port, t.word)
	}
	return nil
}

// withDefaults returns a checked copy.
func (d *Dialer) withDefaults() (*Dialer, error) {
	v := *d
	if err := codec.Check(v.Codecs); err != nil {
		return nil, fmt.Errorf("Dialer.Codecs: %w", err)
	}
	if v.Timeout < 0 || v.MaxMessage < 0 || v.MaxInFlight < 0 {
		return nil, errors.New("Dialer: Timeout, MaxMessage and MaxInFlight must not be negative")
	}
	if int64(v.MaxMessage) > 1<<32-1 || v.MaxInFlight > link.MaxMaxInFlight {
		return nil, fmt.Errorf("Dialer: MaxMessage is at most 4 GiB - 1 and MaxInFlight at most %d", link.MaxMaxInFlight)
	}
	known, err := newKnownErrors(v.Errors, v.Codecs)
	if err != nil {
		return nil, fmt.Errorf("Dialer.Errors: %w", err)
	}
	v.known = known
	v.Timeout = orDefault(v.Timeout, 5*time.Second)
	v.spin = spin.NewGroup(spin.CPUs())
	v.MaxMessage = orDefault(v.MaxMessage, link.DefaultMaxMessage)
	if v.Logger == nil {
		nop := zerolog.Nop()
		v.Logger = &nop
	}
	return &v, nil
}

// session is one link of a client, and what was agreed on it. It is immutable.
type session struct {
	link      *link.Client
	welcome   *wire.Welcome
	address   string
	from      address // of those that the user gave, the one that led here
	peer      Peer
	rank      int        // of the transport: less is faster
	numbers   []uint16   // of the client's bound methods, by their index
	encodings []encoding // likewise; the same for all links of a client
	direct    *shortcut  // nil where calls go over the link
}

// key is the name@major of the service that answered.
func (s *session) key() string {
	return registry.Instance{Name: s.welcome.Service, Version: s.welcome.ServiceVersion}.Key()
}

// sameInstance reports whether both are links to one instance.
func (s *session) sameInstance(other *session) bool {
	return s.welcome.Instance == other.welcome.Instance
}

// link makes the client's first link.
func (c *Client) link(ctx context.Context) error {
	if err := c.connect(ctx); err != nil {
		c.Close()
		return err
	}
	return nil
}

// join makes a link to an instance by the fastest way that there is. It returns why faster ways, or all, were not taken too.
func (c *Client) join(ctx context.Context, p place) (*session, []error) {
	var failures []error
	for _, way := range p.ways {
		s, err := c.connectTo(ctx, way)
		if err == nil {
			s.from = p.from
			return s, failures
		}
		failures = append(failures, err)
		var mismatch *MismatchError
		if ctx.Err() != nil || errors.As(err, &mismatch) {
			break
		}
	}
	return nil, failures
}

// oneError puts failures in one line each where there are several.
func oneError(failures []error) error {
	if len(failures) == 1 {
		return failures[0]
	}
	return errors.Join(failures...)
}

// connectTo opens one place and does the handshake.
func (c *Client) connectTo(ctx context.Context, place address) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.dialer.Timeout)
	defer cancel()
	conn, err := place.open(ctx, c.dialer, c.target)
	if err != nil {
		return nil, err
	}
	w, err := link.Greet(ctx, conn, &wire.Hello{
		Oldest: wire.Version, Newest: wire.Version, MaxMessage: uint32(c.dialer.MaxMessage),
		Service: c.target.name, Port: c.target.port, ServiceVersion: c.target.version,
	})
	if err != nil {
		var refused *wire.Error
		if errors.As(err, &refused) {
			err = fmt.Errorf("%s refused: %w", place, &Error{Method: "handshake", Code: refused.Code, Message: refused.Message})
		}
		return nil, err
	}
	s := &session{welcome: w, address: place.String(), rank: place.rank(), peer: newPeer(conn, place.String(), w.Instance)}
	if err = c.target.fits(w); err == nil {
		s.numbers, s.encodings, err = c.bind(w, s.address)
	}
	if err == nil {
		s.link, err = c.newLink(conn, w)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	if end, ok := conn.(*inprocEnd); ok && c.dialer.Direct {
		if s.direct, err = c.enter(ctx, end, s); err != nil {
			s.link.Close()
			return nil, err
		}
	}
	return s, nil
}

func (c *Client) newLink(conn link.Conn, w *wire.Welcome) (*link.Client, error) {
	limit := int(min(w.MaxInFlight, link.MaxMaxInFlight))
	if c.dialer.MaxInFlight > 0 {
		limit = min(limit, c.dialer.MaxInFlight)
	}
	return link.NewClient(conn, &link.Options{
		MaxMessage: c.dialer.MaxMessage, PeerMaxMessage: int(min(w.MaxMessage, 1<<31-1)), MaxInFlight: limit,
		Logger: c.dialer.Logger, Buffers: c.buffers, Identify: c.dialer.known.identify, Overlap: c.scout.overlap,
	})
}
