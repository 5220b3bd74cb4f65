package codec

// output is an io.Writer and io.ByteWriter that appends to a slice.
type output struct{ b []byte }

func (o *output) Write(p []byte) (int, error) {
	o.b = append(o.b, p...)
	return len(p), nil
}

func (o *output) WriteByte(c byte) error {
	o.b = append(o.b, c)
	return nil
}
