package split

import (
	"context"
	"sync"

	"hotline"
)

// Inproc is the address of a service that is in the same process.
const Inproc = "inproc://"

// Peer is a client that is connected when it is first needed: services that call each other can't wait for one another.
type Peer[C any] struct {
	Dialer  *hotline.Dialer
	Address string

	mu     sync.Mutex
	client *C // guarded by mu: nil until it is connected
}

// Client returns the client.
func (p *Peer[C]) Client(ctx context.Context) (*C, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil {
		c := new(C)
		if err := p.Dialer.Connect(ctx, c, p.Address); err != nil {
			return nil, err
		}
		p.client = c
	}
	return p.client, nil
}

// Close closes the client, if it was needed.
func (p *Peer[C]) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil {
		return nil
	}
	return any(p.client).(interface{ Close() error }).Close()
}
