package nettcp

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"net"
	"sync"
	"time"

	"hotline/internal/spin"
	"hotline/internal/wire"
)

// The defaults of [Options].
const (
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultFrameTimeout     = 30 * time.Second
	DefaultLinger           = time.Second
	DefaultSocketMode       = fs.FileMode(0o600)
	DefaultMaxFrame         = 128 << 10
)

// Options says how connections behave. A nil *Options, like every zero field, means the defaults. It is read once, by
// the function it is given to, and may be shared.
type Options struct {
	// TLS, when not nil, encrypts tcp connections: a listener needs a certificate in it, and [Dial] takes the server's
	// name from the address when ServerName is empty. Unix sockets are never encrypted, their file's mode and
	// the peer's credentials guard them.
	TLS *tls.Config

	// HandshakeTimeout bounds the TLS handshake, and on accepted connections also the wait for the first whole
	// frame, together. Default 10 s.
	HandshakeTimeout time.Duration

	// FrameTimeout bounds how long a frame that has begun may keep its reader waiting in all, and how long
	// the peer may take to make room for the next frame's worth of what is being sent. Default 30 s.
	FrameTimeout time.Duration

	// Linger is how long Close may take to send what was accepted before. Default 1 s.
	Linger time.Duration

	// KeepAlive probes idle TCP peers. The zero value means on: after 15 s of silence, then every 5 s, and
	// the peer is given up after the fourth probe. Any other value is used as it is.
	KeepAlive net.KeepAliveConfig

	// SocketMode is the mode of the file of a unix socket that [Listen] makes: who may connect. Default 0600.
	SocketMode fs.FileMode

	// MaxFrame is the most payload bytes of a frame written, from 4 KiB to 256 KiB; whatever the peer uses
	// can be read. Smaller ones keep the waits of other calls short while a long message is sent. Default 128 KiB.
	MaxFrame int

	// MaxSpin is the longest that a reader may poll the socket before it sleeps; zero is spin.DefaultMax, less than zero is
	// never. Encrypted connections do not poll.
	MaxSpin time.Duration

	// Spin is shared by connections that are to share one allowance of polling, normally all of a process. Nil gives
	// one to each listener and to each dialled connection.
	Spin *spin.Group
}

// config is a valid Options without zero fields, and what the connections that were made with it share.
type config struct {
	Options
	buffers sync.Pool // of *buffer: frames on their way out
}

// config checks o and fills in the defaults.
func (o *Options) config() (*config, error) {
	c := &config{}
	if o != nil {
		c.Options = *o
	}
	durations := []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"HandshakeTimeout", &c.HandshakeTimeout, DefaultHandshakeTimeout},
		{"FrameTimeout", &c.FrameTimeout, DefaultFrameTimeout},
		{"Linger", &c.Linger, DefaultLinger},
	}
	for _, d := range durations {
		if *d.value < 0 {
			return nil, fmt.Errorf("nettcp: Options.%s is %v, it must not be negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if c.SocketMode&^fs.ModePerm != 0 {
		return nil, fmt.Errorf("nettcp: Options.SocketMode is %v, only permission bits are allowed", c.SocketMode)
	}
	if c.SocketMode == 0 {
		c.SocketMode = DefaultSocketMode
	}
	if c.MaxFrame == 0 {
		c.MaxFrame = DefaultMaxFrame
	}
	if c.MaxFrame < 4<<10 || c.MaxFrame > wire.MaxFramePayload {
		return nil, fmt.Errorf("nettcp: Options.MaxFrame is %d, it must be from %d to %d", c.MaxFrame, 4<<10, wire.MaxFramePayload)
	}
	if c.KeepAlive == (net.KeepAliveConfig{}) {
		c.KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4}
	}
	if c.Spin == nil {
		c.Spin = spin.NewGroup(spin.CPUs())
	}
	return c, nil
}

// serverTLS checks that TLS, where it is asked for, can serve.
func (c *config) serverTLS() error {
	if t := c.TLS; t != nil && len(t.Certificates) == 0 && t.GetCertificate == nil && t.GetConfigForClient == nil {
		return fmt.Errorf("nettcp: Options.TLS has no certificate: set Certificates, GetCertificate or GetConfigForClient")
	}
	return nil
}
