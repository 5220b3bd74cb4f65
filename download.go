package hotline

import (
	"io"
	"reflect"
	"sync"
	"sync/atomic"
)

// download is the function where the server streams bytes.
func (c *streamCall) download() []reflect.Value {
	open := c.openReader
	if c.client.dialer.Interceptors != nil {
		open = c.openIntercepted
	}
	var out io.ReadCloser
	r, err := open()
	if err == nil {
		out = r
	}
	return []reflect.Value{reflect.ValueOf(&out).Elem(), reflect.ValueOf(&err).Elem()}
}

// openIntercepted is openReader by the client's interceptors. They run on a goroutine of their own, as they are to return when
// the reader has come to its end.
func (c *streamCall) openIntercepted() (*incomingReader, error) {
	opened, ended := make(chan *incomingReader, 1), make(chan error, 1)
	var empty *incomingReader // whose call has ended
	go func() {
		ended <- c.intercepted(func() error {
			r, err := c.openReader()
			if err != nil {
				return err
			}
			if r.err != nil {
				empty = r
				c.measure()
				return nil
			}
			r.over, r.ended = make(chan error), ended
			opened <- r
			err = <-r.over
			c.measure()
			return err
		})
	}()
	select {
	case r := <-opened:
		return r, nil
	case err := <-ended:
		return empty, err
	}
}

// openReader makes the call and waits for its first bytes.
func (c *streamCall) openReader() (*incomingReader, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	c.startSending()
	r := &incomingReader{call: c}
	err := c.v.Wait()
	for err != nil && c.repeat(err) {
		err = c.v.Wait()
	}
	if err != nil {
		if r.fail(err); r.err != io.EOF {
			return nil, r.err
		}
		return r, nil
	}
	c.accept()
	return r, nil
}

// incomingReader is the bytes that a server streams.
type incomingReader struct {
	call   *streamCall
	closed atomic.Bool // Close was called

	mu  sync.Mutex // held by who reads, or ends the call
	err error      // guarded by mu: why there is nothing more; the call has ended then

	// Where there are interceptors over tells them how the call has ended, and ended what they make of it.
	over, ended chan error
}

// Read implements io.Reader.
func (r *incomingReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.call.v.Read(p)
	if err != nil {
		r.fail(err)
	}
	return n, r.err
}

// WriteTo implements io.WriterTo, for io.Copy: it saves a copy.
func (r *incomingReader) WriteTo(w io.Writer) (int64, error) {
	return writeTo(w, func() ([]byte, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.err != nil {
			return nil, r.err
		}
		b, err := r.call.v.Next()
		if err != nil {
			r.fail(err)
		}
		return b, r.err
	})
}

// fail ends the call, whose stream has ended with err.
func (r *incomingReader) fail(err error) {
	if r.closed.Load() {
		r.leave()
		return
	}
	if r.err = r.conclude(r.call.end(err)); r.err == nil {
		r.err = io.EOF
	}
}

// leave gives the call up.
func (r *incomingReader) leave() {
	r.call.cancel()
	r.conclude(r.call.callError(errLeft))
	r.err = r.call.callError(ErrClosed)
}

// conclude returns what the interceptors make of the end of the call.
func (r *incomingReader) conclude(err error) error {
	if r.over == nil {
		return err
	}
	r.over <- err
	return <-r.ended
}

// Close gives the call up unless it has ended. Any goroutine may call it, also while another reads: that one gets [ErrClosed]. It is
// idempotent.
func (r *incomingReader) Close() error {
	r.closed.Store(true)
	r.call.v.GiveUp() // who reads returns
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.leave()
	}
	return nil
}
