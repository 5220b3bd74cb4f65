package shm_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"hotline/internal/wait"
	"hotline/shm"
)

// TestKill ends the peer with SIGKILL in every phase. The survivor hears of it at once, wherever it is.
func TestKill(t *testing.T) {
	t.Run("while we sleep", func(t *testing.T) {
		conn, cmd := spawn(t, "echo", nil)
		result := make(chan error, 1)
		go func() {
			_, err := conn.Next()
			result <- err
		}()
		wait.Until(t, "Next doesn't sleep", conn.Asleep)
		kill(cmd)
		wait.Return(t, "Next after the peer was killed", func() {
			if err := <-result; err != io.EOF {
				t.Errorf("Next: %v, want %v", err, io.EOF)
			}
		})
	})
	t.Run("while we wait for room", func(t *testing.T) {
		conn, cmd := spawn(t, "hold", nil)
		next(t, conn)
		fillRing(t, conn, 1000)
		result := make(chan error, 1)
		go func() { result <- write(conn, 1, make([]byte, 1000)) }()
		wait.Until(t, "Write doesn't wait", func() bool { return conn.Waiting() == 1 })
		kill(cmd)
		wait.Return(t, "Write after the peer was killed", func() {
			if err := <-result; !errors.Is(err, shm.ErrPeerGone) {
				t.Errorf("Write: %v, want %v", err, shm.ErrPeerGone)
			}
		})
	})
	t.Run("while it writes", func(t *testing.T) {
		conn, cmd := spawn(t, "write", nil)
		id := uint64(0)
		for range 5000 {
			h, _ := next(t, conn)
			if id++; h.ID != id {
				t.Fatalf("frame %d came as %d", id, h.ID)
			}
		}
		kill(cmd)
		wait.Return(t, "Next after the peer was killed", func() {
			for {
				h, err := conn.Next()
				if err == io.EOF {
					return
				}
				if id++; err != nil || h.ID != id {
					t.Errorf("Next: frame %d, %v, want %d", h.ID, err, id)
					return
				}
			}
		})
	})
	t.Run("while it waits for room", func(t *testing.T) {
		conn, cmd := spawn(t, "write", &shm.Options{RingSize: shm.MinRingSize})
		in, _ := conn.Words()
		wait.Until(t, "the peer doesn't wait for room", func() bool { return in.Want() != 0 })
		kill(cmd)
		wait.Return(t, "reading after the peer was killed", func() {
			for id := uint64(1); ; id++ {
				h, err := conn.Next()
				if err == io.EOF {
					return
				}
				if err != nil || h.ID != id {
					t.Errorf("Next: frame %d, %v, want %d", h.ID, err, id)
					return
				}
			}
		})
	})
	t.Run("in the rendezvous", func(t *testing.T) {
		ln, path := listen(t, nil)
		cmd := start(t, "half a request", path)
		wait.Until(t, "the listener doesn't see the peer", func() bool { return ln.Meetings() == 1 })
		kill(cmd)
		wait.Until(t, "the listener still waits for the peer", func() bool { return ln.Meetings() == 0 })
		client, err := shm.Dial(context.Background(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		accept(t, ln)
	})
}
