package nettcp_test

import (
	"context"
	"crypto/tls"
	"flag"
	"path/filepath"
	"testing"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/nettcp"
)

// conformance are the transports of this package as the suite for all transports takes them.
var conformance = []transporttest.Transport{
	stream("unix", "unix", ""),
	stream("tcp4", "tcp", "127.0.0.1:0"),
	stream("tcp6", "tcp", "[::1]:0"),
	{Name: "tls", Listen: listenTLS, Dial: dialTLS},
}

// listenTLS listens with a certificate of this process's own.
func listenTLS(string) (transporttest.Listener, error) {
	server, _, err := makeCertificate()
	if err != nil {
		return nil, err
	}
	ln, err := nettcp.Listen("tcp", "127.0.0.1:0", &nettcp.Options{TLS: server})
	return acceptor{ln}, err
}

// dialTLS takes any certificate: the listener may be in another process, which has made its own.
func dialTLS(ctx context.Context, address string) (link.Conn, error) {
	any := &tls.Config{InsecureSkipVerify: true}
	return nettcp.Dial(ctx, "tcp", address[len("tls://"):], &nettcp.Options{TLS: any})
}

func stream(name, network, address string) transporttest.Transport {
	return transporttest.Transport{
		Name: name,
		Listen: func(dir string) (transporttest.Listener, error) {
			at := address
			if network == "unix" {
				at = filepath.Join(dir, "s")
			}
			ln, err := nettcp.Listen(network, at, nil)
			return acceptor{ln}, err
		},
		Dial: func(ctx context.Context, address string) (link.Conn, error) {
			return nettcp.Dial(ctx, network, address[len(network+"://"):], nil)
		},
	}
}

// acceptor returns the interface that the suite wants.
type acceptor struct{ *nettcp.Listener }

func (a acceptor) Accept() (link.Conn, error) { return a.Listener.Accept() }

var everyNetwork = flag.Bool("every-network", false, "run the conformance suite over TCP on IPv6, too")

func TestConformance(t *testing.T) {
	for _, transport := range conformance {
		t.Run(transport.Name, func(t *testing.T) {
			if transport.Name == "tcp6" && !*everyNetwork {
				t.Skip("the code is that of tcp4: -every-network runs it")
			}
			ln, err := transport.Listen(shortDir(t))
			if err != nil && transport.Name == "tcp6" {
				t.Skipf("no IPv6 on this machine: %v", err)
			}
			check(t, err)
			ln.Close()
			transporttest.Run(t, transport)
		})
	}
}

func BenchmarkCall(b *testing.B) {
	for _, transport := range conformance {
		b.Run(transport.Name, func(b *testing.B) { transporttest.Bench(b, transport) })
	}
}
