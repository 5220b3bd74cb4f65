package shm_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"hotline/internal/wait"
	"hotline/shm"
)

// handler answers the requests of these tests.
func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) { // while it still comes, as it comes
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
		local := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		_, _ = fmt.Fprintf(w, "%s %s at %s %s", r.Proto, r.RemoteAddr, local.Network(), local)
	})
	mux.HandleFunc("GET /wait", func(w http.ResponseWriter, r *http.Request) { // until the client has gone
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("GET /hijack", func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(conn, rw)
		_ = conn.(*shm.Stream).CloseWrite()
	})
	return mux
}

// playHTTP serves HTTP at path until it is killed.
func playHTTP(path string) error {
	ln, err := shm.ListenStream(path, nil)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return http.Serve(ln, handler())
}

// transport returns what moves requests to the listener at path.
func transport(path string) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return shm.DialStream(ctx, path, nil)
		},
	}
}

// fetch makes a request and reads its answer.
func fetch(client *http.Client, method, url string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return b, err
}

// checkHTTP makes requests of every kind with a client.
func checkHTTP(t *testing.T, client *http.Client, base, who string) {
	t.Helper()
	if b, err := fetch(client, "GET", base+"/who", nil); err != nil || string(b) != who {
		t.Errorf("who: %q, %v, want %q", b, err, who)
	}
	long := make([]byte, 3<<20+17)
	pattern(long, 0)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			body := long[:len(long)>>i]
			b, err := fetch(client, "POST", base+"/echo", bytes.NewReader(body))
			if err != nil || !bytes.Equal(b, body) {
				t.Errorf("echo of %d bytes: %d bytes, %v", len(body), len(b), err)
			}
			for j := range 20 {
				small := fmt.Appendf(nil, "request %d of %d", j, i)
				if b, err := fetch(client, "POST", base+"/echo", bytes.NewReader(small)); err != nil || !bytes.Equal(b, small) {
					t.Errorf("%s: %q, %v", small, b, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestStreamHTTP: net/http runs over a stream, its server in this process and in another.
func TestStreamHTTP(t *testing.T) {
	t.Run("one process", func(t *testing.T) {
		ln, path := listenStream(t, nil)
		server := &http.Server{Handler: handler()}
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		tr := transport(path)
		client := &http.Client{Transport: tr}
		checkHTTP(t, client, "http://shm", "HTTP/1.1 @ at shm "+path)

		t.Run("the client gives up", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, "GET", "http://shm/wait", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			cancel()
			wait.Return(t, "the body", func() {
				if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
					t.Errorf("the body: %v, want %v", err, context.Canceled)
				}
			})
		})
		t.Run("hijack", func(t *testing.T) { checkHijack(t, path) })
		wait.Return(t, "Shutdown", func() { // waits for the handlers, that of /wait too
			tr.CloseIdleConnections()
			if err := server.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			if err := <-served; err != http.ErrServerClosed {
				t.Errorf("Serve: %v, want %v", err, http.ErrServerClosed)
			}
		})
	})
	t.Run("two processes", func(t *testing.T) {
		path := startReady(t, "stream http")
		tr := transport(path)
		defer tr.CloseIdleConnections()
		checkHTTP(t, &http.Client{Transport: tr}, "http://shm", "HTTP/1.1 @ at shm "+path)
		t.Run("hijack", func(t *testing.T) { checkHijack(t, path) })
	})
}

// checkHijack turns an HTTP connection into a bare one, and ends its two directions one after the other.
func checkHijack(t *testing.T, path string) {
	s := dialStream(t, path, nil)
	if _, err := io.WriteString(s, "GET /hijack HTTP/1.1\r\nHost: shm\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(s)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the answer: %+v, %v", resp, err)
	}
	if _, err := io.WriteString(s, "last words"); err != nil {
		t.Fatal(err)
	}
	if err := s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "last words" {
		t.Errorf("after CloseWrite: %q, %v", b, err)
	}
}

// TestStreamTLS: crypto/tls runs over a stream, and HTTP/2 over that.
func TestStreamTLS(t *testing.T) {
	serverConfig, clientConfig := tlsConfigs(t)
	t.Run("bare", func(t *testing.T) {
		s, c := streamPair(t, nil)
		server, client := tls.Server(s, serverConfig), tls.Client(c, clientConfig)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { // echo, and then close
			if _, err := io.Copy(server, server); err != nil {
				t.Errorf("the server: %v", err)
			}
			if err := server.Close(); err != nil {
				t.Errorf("the server's Close: %v", err)
			}
		})
		sent := make([]byte, 5<<20)
		pattern(sent, 0)
		wg.Go(func() {
			if _, err := client.Write(sent); err != nil {
				t.Errorf("Write: %v", err)
			}
			if err := client.CloseWrite(); err != nil {
				t.Errorf("CloseWrite: %v", err)
			}
		})
		if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back of %d, %v", len(got), len(sent), err)
		}
	})
	t.Run("http2", func(t *testing.T) {
		ln, path := listenStream(t, nil)
		server := &http.Server{Handler: handler(), TLSConfig: serverConfig}
		served := make(chan error, 1)
		go func() { served <- server.ServeTLS(ln, "", "") }()
		tr := transport(path)
		tr.TLSClientConfig, tr.ForceAttemptHTTP2 = clientConfig, true
		checkHTTP(t, &http.Client{Transport: tr}, "https://shm", "HTTP/2.0 @ at shm "+path)
		wait.Return(t, "Shutdown", func() {
			tr.CloseIdleConnections()
			if err := server.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			<-served
		})
	})
}

// tlsConfigs makes a certificate for the name "shm" that signs itself, for a server, and a client that trusts it.
func tlsConfigs(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shm"}, DNSNames: []string{"shm"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: "shm"}
}
