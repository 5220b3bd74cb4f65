package hotline

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"

	"hotline/internal/link"
	"hotline/nettcp"
	"hotline/registry"
	"hotline/shm"
)

// The schemes of addresses.
const (
	schemeAuto   = "auto"
	schemeShm    = "shm"
	schemeUnix   = "unix"
	schemeTCP    = "tcp"
	schemeTLS    = "tls"
	schemeInproc = "inproc"
)

// address is where a client looks for a service: a scheme, and what it says about the place.
type address struct {
	scheme string
	place  string // path of a socket, or host[:port]; empty for "ask the registry"
}

// parseAddresses reads what a user gave; nothing means auto://.
func parseAddresses(texts []string) ([]address, error) {
	if len(texts) == 0 {
		return []address{{scheme: schemeAuto}}, nil
	}
	var all []address
	for _, text := range texts {
		a, err := parseAddress(text)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func parseAddress(text string) (address, error) {
	scheme, place, ok := strings.Cut(text, "://")
	a := address{scheme, place}
	const known = "write auto://, shm://, unix://, tcp://host[:port], tls://host[:port] or inproc://"
	switch {
	case !ok:
		return a, fmt.Errorf("address %q has no scheme: %s", text, known)
	case scheme == schemeAuto || scheme == schemeInproc:
		if place != "" {
			return a, fmt.Errorf("address %q: %s:// takes nothing more", text, scheme)
		}
	case scheme == schemeShm || scheme == schemeUnix:
		if place != "" && !strings.HasPrefix(place, "/") {
			return a, fmt.Errorf("address %q: write %s:// to look the service up, or %s:///absolute/path of a socket", text, scheme, scheme)
		}
	case scheme == schemeTCP || scheme == schemeTLS:
		if place == "" {
			return a, fmt.Errorf("address %q has no host: write %s://host or %s://host:port", text, scheme, scheme)
		}
	default:
		return a, fmt.Errorf("address %q: unknown scheme %q: %s", text, scheme, known)
	}
	return a, nil
}

func (a address) String() string { return a.scheme + "://" + a.place }

// rank orders transports by their speed: less is faster. That of auto:// is the best that it may lead to.
func (a address) rank() int {
	switch a.scheme {
	case schemeInproc:
		return 0
	case schemeAuto, schemeShm:
		return 1
	case schemeUnix:
		return 2
	}
	return 3 // TCP and TLS alike: what is slow is the network
}

// many reports whether a leads to every instance in the runtime directory, and not to one place.
func (a address) many() bool {
	return a.place == "" && slices.Contains([]string{schemeAuto, schemeShm, schemeUnix}, a.scheme)
}

// place is where an instance is reached.
type place struct {
	instance string    // its id
	key      string    // name@major; this and the id are empty where they are not known before the handshake
	from     address   // what led here
	ways     []address // fastest first; at least one
}

// id tells places apart, and the ways to an instance by one address from those by another.
func (p *place) id() string {
	if p.instance != "" {
		return p.from.scheme + " " + p.instance
	}
	return p.ways[0].String()
}

// places returns the places to try for a, best first: the only one, or those of the instances in the runtime directory at
// dir that are ready, in random order among equals, so that clients spread over workers.
func (a address) places(t *target, dir string) ([]place, error) {
	if !a.many() {
		way := a
		if a.scheme == schemeTCP || a.scheme == schemeTLS {
			full, err := a.withPort(t)
			if err != nil {
				return nil, err
			}
			way.place = full
		}
		return []place{{from: a, ways: []address{way}}}, nil
	}
	d, err := registry.Open(dir)
	if err != nil {
		return nil, err
	}
	instances, err := d.Lookup(t.key())
	if err != nil {
		return nil, err
	}
	instances = slices.DeleteFunc(instances, func(i registry.Instance) bool { return i.State != registry.Ready })
	if len(instances) == 0 {
		return nil, notFound(t, d)
	}
	rand.Shuffle(len(instances), func(i, j int) { instances[i], instances[j] = instances[j], instances[i] })
	var all []place
	for _, i := range instances {
		if ways := a.waysTo(&i); len(ways) > 0 {
			all = append(all, place{i.ID, i.Key(), a, ways})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("service %s is there, but not by %s", t.key(), a)
	}
	slices.SortStableFunc(all, func(x, y place) int { return x.ways[0].rank() - y.ways[0].rank() })
	return all, nil
}

// waysTo returns the addresses of an instance that a allows, fastest first.
func (a address) waysTo(i *registry.Instance) []address {
	var ways []address
	for _, text := range i.Addresses {
		if w, err := parseAddress(text); err == nil && (w.scheme == a.scheme || a.scheme == schemeAuto) {
			ways = append(ways, w)
		}
	}
	slices.SortStableFunc(ways, func(x, y address) int { return x.rank() - y.rank() })
	return ways
}

// withPort adds the service's port to a host that has none.
func (a address) withPort(t *target) (string, error) {
	if _, _, err := net.SplitHostPort(a.place); err == nil {
		return a.place, nil
	}
	if t.port == "" {
		return "", fmt.Errorf("address %s has no port, and only the service's name is known: write %s://host:port", a, a.scheme)
	}
	if !registry.IsNumber(t.port) {
		return "", fmt.Errorf("address %s has no port, and the service's port %q is not a number: write %s://host:port", a, t.port, a.scheme)
	}
	return net.JoinHostPort(strings.Trim(a.place, "[]"), t.port), nil
}

// NotFoundError says that no ready instance of a service is in the registry.
type NotFoundError struct {
	Target string   // what was looked for
	Dir    string   // the runtime directory that was looked at
	Known  []string // the services that are there
}

func (e *NotFoundError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("no service %s: none at all runs here (runtime directory %s): start one with `hotline serve`", e.Target, e.Dir)
	}
	return fmt.Sprintf("no service %s: here are %s (runtime directory %s)", e.Target, strings.Join(e.Known, ", "), e.Dir)
}

func notFound(t *target, d *registry.Dir) error {
	e := &NotFoundError{Target: t.key(), Dir: d.Path()}
	all, err := d.List()
	if err != nil {
		return err
	}
	for _, i := range all {
		known := fmt.Sprintf("%s (port %s)", i.Name, i.Port)
		if i.State != registry.Ready {
			known = fmt.Sprintf("%s (port %s, %s)", i.Name, i.Port, i.State)
		}
		if !slices.Contains(e.Known, known) {
			e.Known = append(e.Known, known)
		}
	}
	return e
}

// open connects by a way that places returned.
func (a address) open(ctx context.Context, d *Dialer, t *target) (link.Conn, error) {
	switch a.scheme {
	case schemeShm:
		return opened(shm.Dial(ctx, a.place, &shm.Options{MaxSpin: d.MaxSpin, Spin: d.spin}))
	case schemeUnix:
		return opened(nettcp.Dial(ctx, "unix", a.place, &nettcp.Options{MaxSpin: d.MaxSpin, Spin: d.spin}))
	case schemeTCP:
		return opened(nettcp.Dial(ctx, "tcp", a.place, &nettcp.Options{MaxSpin: d.MaxSpin, Spin: d.spin}))
	case schemeTLS:
		config := d.TLS
		if config == nil {
			config = new(tls.Config)
		}
		return opened(nettcp.Dial(ctx, "tcp", a.place, &nettcp.Options{TLS: config}))
	case schemeInproc:
		if d.Server == nil {
			return nil, errors.New("inproc:// needs Dialer.Server: the Server in this process")
		}
		return opened(d.Server.dialInproc(ctx, t))
	}
	return nil, fmt.Errorf("address %s can't be dialled", a)
}

// opened keeps a nil pointer of a transport's own type from becoming a connection that is not nil.
func opened[C link.Conn](c C, err error) (link.Conn, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}
