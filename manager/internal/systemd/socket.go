package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// Socket is a TCP socket that systemd opened.
type Socket struct {
	Name    string // of its unit, or FileDescriptorName
	Address *net.TCPAddr

	file  *os.File // blocking, for other processes to inherit
	taken bool     // under Parent.mu
}

// adopt makes files, which it takes over, the parent's sockets.
func (p *Parent) adopt(files []*os.File) error {
	var errs []error
	for _, f := range files {
		address, err := listenerAddress(f)
		if err != nil {
			errs = append(errs, fmt.Errorf("the socket %s of systemd is not one for a service: %w: use ListenStream with a port", f.Name(), err))
			f.Close()
			continue
		}
		p.sockets = append(p.sockets, &Socket{file: f, Name: f.Name(), Address: address})
	}
	if err := errors.Join(errs...); err != nil {
		p.Close()
		return err
	}
	return nil
}

// listenerAddress returns where a file listens, if it does for TCP.
func listenerAddress(f *os.File) (*net.TCPAddr, error) {
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	defer l.Close() // a copy
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("it listens on %s %s", l.Addr().Network(), l.Addr())
	}
	return address, nil
}

// Take returns the socket at host and port, or nil if systemd has opened none there. It stays the parent's: a caller makes a
// copy of it, and the port stays open when that is closed, for the next one who needs it.
func (p *Parent) Take(host, port string) (*os.File, error) {
	if p == nil {
		return nil, nil
	}
	want, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.sockets {
		if SameAddress(k.Address, want) {
			k.taken = true
			return k.file, nil
		}
	}
	return nil, nil
}

// SameAddress reports whether sockets at both addresses are at the same. "Every address" is one, of either family.
func SameAddress(a, b *net.TCPAddr) bool {
	every := func(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }
	return a.Port == b.Port && (a.IP.Equal(b.IP) || every(a.IP) && every(b.IP))
}

// Untaken returns the sockets that no caller of Take was given.
func (p *Parent) Untaken() (left []*Socket) {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.sockets {
		if !k.taken {
			left = append(left, k)
		}
	}
	return left
}

// Close closes the sockets; copies of them stay open.
func (p *Parent) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.sockets {
		k.file.Close()
	}
	p.sockets = nil
}
