package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"time"

	"github.com/cloudwego/shmipc-go"
)

// shmIPC is shmipc-go, which moves bytes and has no calls: a length goes before them, as in its own example. Tuned, its
// shared memory is a memfd with four slices for each caller, each of which holds a message whole.
func shmIPC(tuned bool) Peer {
	p := Peer{Name: "shmipc", Way: "shm", Kind: Memory, Module: "github.com/cloudwego/shmipc-go", Note: "default configuration, a stream for each caller"}
	if tuned {
		p.Name, p.Note = "shmipc tuned", "memfd, four slices for each caller that hold a message whole, a stream for each caller"
	}
	p.Serve = unixListen(serveShmIPC)
	p.Dial = func(_ context.Context, dir string, load Load) (Client, error) {
		m, err := shmipc.NewSessionManager(shmIPCConfig(dir, tuned, load))
		if err != nil {
			return nil, err
		}
		return &shmIPCClient{m: m}, nil
	}
	return p
}

func shmIPCConfig(dir string, tuned bool, load Load) *shmipc.SessionManagerConfig {
	c := shmipc.DefaultSessionManagerConfig()
	c.Network, c.Address = "unix", socket(dir)
	c.LogOutput = io.Discard
	c.InitializeTimeout = 10 * time.Second
	c.ShareMemoryPathPrefix = "/dev/shm/" + filepath.Base(dir)
	c.QueuePath = c.ShareMemoryPathPrefix + "_queue"
	if !tuned {
		return c
	}
	c.MemMapType = shmipc.MemMapTypeMemFd
	slice := uint32(load.Size) + 64
	c.BufferSliceSizes = []*shmipc.SizePercentPair{{Size: slice, Percent: 100}}
	c.ShareMemoryBufferCap = max(2<<20, (slice+64)*uint32(4*load.Callers+16))
	return c
}

func serveShmIPC(ln net.Listener) error {
	c := shmipc.DefaultConfig()
	c.LogOutput = io.Discard
	c.InitializeTimeout = 10 * time.Second
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			s, err := shmipc.Server(conn, c)
			if err != nil {
				return
			}
			defer s.Close()
			for {
				stream, err := s.AcceptStream()
				if err != nil {
					return
				}
				go echoShmIPC(stream)
			}
		}()
	}
}

func echoShmIPC(s *shmipc.Stream) {
	defer s.Close()
	for {
		data, err := readShmIPC(s)
		if err == nil {
			err = writeShmIPC(s, data)
		}
		if err != nil {
			return
		}
	}
}

// readShmIPC returns bytes that lie in the shared memory, valid until the stream is released.
func readShmIPC(s *shmipc.Stream) ([]byte, error) {
	header, err := s.BufferReader().ReadBytes(4)
	if err != nil {
		return nil, err
	}
	return s.BufferReader().ReadBytes(int(binary.LittleEndian.Uint32(header)))
}

// writeShmIPC sends data and releases what was read.
func writeShmIPC(s *shmipc.Stream, data []byte) error {
	w := s.BufferWriter()
	header, err := w.Reserve(4)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(header, uint32(len(data)))
	if _, err := w.WriteBytes(data); err != nil {
		return err
	}
	s.BufferReader().ReleasePreviousRead()
	for {
		err := s.Flush(false)
		if !errors.Is(err, shmipc.ErrQueueFull) {
			return err
		}
		time.Sleep(time.Microsecond)
	}
}

type shmIPCClient struct{ m *shmipc.SessionManager }

// Caller takes a stream for the caller to keep, as the library's example of its best use does.
func (c *shmIPCClient) Caller() (Call, error) {
	s, err := c.m.GetStream()
	if err != nil {
		return nil, err
	}
	var echo []byte
	return func(data []byte) ([]byte, error) {
		if err := writeShmIPC(s, data); err != nil {
			return nil, err
		}
		got, err := readShmIPC(s)
		if err != nil {
			return nil, err
		}
		echo = append(echo[:0], got...) // the shared memory is given back
		s.BufferReader().ReleasePreviousRead()
		return echo, nil
	}, nil
}

func (c *shmIPCClient) Close() error { return c.m.Close() }
