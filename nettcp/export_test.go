package nettcp

// HoldEncryption keeps the frames written over TLS from being encrypted until release is called.
func (c *Conn) HoldEncryption() (release func()) {
	c.encrypting.Lock()
	return c.encrypting.Unlock
}

// Encrypting returns how many callers are about to have frames encrypted.
func (c *Conn) Encrypting() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.corked
}

// Finishing reports whether frames are not taken any more.
func (c *Conn) Finishing() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.err != nil
}

// EndSession ends the TLS session for writing, as it does itself after an alert.
func (c *Conn) EndSession() error { return c.session.CloseWrite() }
