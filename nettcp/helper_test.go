package nettcp_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
	"hotline/nettcp"
)

// patience is how long a test waits for something that has to happen.
const patience = 120 * time.Second

// carrier is one of the ways that frames go.
type carrier struct {
	name string
	open func(t testing.TB, o nettcp.Options) (l *nettcp.Listener, network, address string, client nettcp.Options)
}

var carriers = []carrier{
	{"tcp4", tcpCarrier("127.0.0.1:0")},
	{"tcp6", tcpCarrier("[::1]:0")},
	{"unix", unixCarrier},
	{"tls", tlsCarrier},
	{"wrapped", wrappedCarrier},
}

func tcpCarrier(address string) func(testing.TB, nettcp.Options) (*nettcp.Listener, string, string, nettcp.Options) {
	return func(t testing.TB, o nettcp.Options) (*nettcp.Listener, string, string, nettcp.Options) {
		l, err := nettcp.Listen("tcp", address, &o)
		if err != nil && address[0] == '[' {
			t.Skipf("no IPv6 on this machine: %v", err)
		}
		check(t, err)
		return l, "tcp", l.Addr()[len("tcp://"):], o
	}
}

func unixCarrier(t testing.TB, o nettcp.Options) (*nettcp.Listener, string, string, nettcp.Options) {
	path := filepath.Join(shortDir(t), "s")
	l, err := nettcp.Listen("unix", path, &o)
	check(t, err)
	return l, "unix", path, o
}

func tlsCarrier(t testing.TB, o nettcp.Options) (*nettcp.Listener, string, string, nettcp.Options) {
	server, client := certificate(t)
	so, co := o, o
	so.TLS, co.TLS = server, client
	l, err := nettcp.Listen("tcp", "127.0.0.1:0", &so)
	check(t, err)
	return l, "tcp", l.Addr()[len("tls://"):], co
}

// wrappedCarrier has a server whose sockets are of no known type, so that it goes the portable way.
func wrappedCarrier(t testing.TB, o nettcp.Options) (*nettcp.Listener, string, string, nettcp.Options) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	l, err := nettcp.NewListener(wrappedListener{inner}, &o)
	check(t, err)
	return l, "tcp", l.Addr()[len("tcp://"):], o
}

type wrappedListener struct{ net.Listener }

type wrappedConn struct{ net.Conn }

func (l wrappedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return wrappedConn{c}, nil
}

// pair connects a client and a server.
func (cr carrier) pair(t testing.TB, o nettcp.Options) (client, server *nettcp.Conn) {
	t.Helper()
	l, network, address, co := cr.open(t, o)
	defer l.Close()
	type result struct {
		c   *nettcp.Conn
		err error
	}
	accepted := make(chan result, 1)
	go func() {
		c, err := l.Accept()
		accepted <- result{c, err}
	}()
	client, err := nettcp.Dial(context.Background(), network, address, &co)
	check(t, err)
	r := <-accepted
	check(t, r.err)
	t.Cleanup(func() {
		client.Close()
		r.c.Close()
	})
	if co.TLS != nil { // until the handshake is done a server's Write waits
		check(t, send(client, 0, nil))
		expect(t, r.c, 0, nil)
	}
	return client, r.c
}

// each runs f over every carrier, as client and server and the other way round.
func each(t *testing.T, o nettcp.Options, f func(t *testing.T, a, b *nettcp.Conn)) {
	for _, cr := range carriers {
		t.Run(cr.name, func(t *testing.T) {
			c, s := cr.pair(t, o)
			f(t, c, s)
		})
		t.Run(cr.name+"-reverse", func(t *testing.T) {
			c, s := cr.pair(t, o)
			f(t, s, c)
		})
	}
}

func shortDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "hl")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// certificate makes a server's and a client's settings that fit each other.
func certificate(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	server, client, err := makeCertificate()
	check(t, err)
	return server, client
}

func makeCertificate() (server, client *tls.Config, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hotline test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: roots}, nil
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// frame is a header that fits a payload.
func frame(id uint64, metadata, payload []byte) *wire.Header {
	return &wire.Header{Kind: wire.KindCall, ID: id, Length: uint32(len(metadata) + len(payload)),
		Total: uint32(len(payload)), Metadata: uint32(len(metadata))}
}

// send writes one frame without metadata.
func send(c *nettcp.Conn, id uint64, payload []byte) error {
	return c.Write(link.Stop{}, frame(id, nil, payload), nil, payload)
}

// receive reads one frame whole, into memory of its own.
func receive(c *nettcp.Conn) (wire.Header, []byte, error) {
	h, err := c.Next()
	if err != nil {
		return h, nil, err
	}
	p := make([]byte, h.Length)
	return h, p, readFull(c, p)
}

// readFull fills p with payload. The frame has at least that much left.
func readFull(c *nettcp.Conn, p []byte) error {
	for len(p) > 0 {
		n, err := c.Read(p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// noise is what patterns are cut from.
var noise = func() []byte {
	p := make([]byte, 1<<20)
	mathrand.NewChaCha8([32]byte{}).Read(p)
	return p
}()

// pattern is a payload that shows when it is mixed with another.
func pattern(id uint64, n int) []byte {
	at := int((id * 0x9e3779b97f4a7c15) >> 45) // below 1<<19
	return noise[at : at+n : at+n]
}

// expect receives a frame and compares it.
func expect(t testing.TB, c *nettcp.Conn, id uint64, payload []byte) {
	t.Helper()
	h, p, err := receive(c)
	check(t, err)
	if h.ID != id || !bytes.Equal(p, payload) {
		t.Fatalf("got frame %d of %d bytes, want %d of %d, equal %v", h.ID, len(p), id, len(payload), bytes.Equal(p, payload))
	}
}
