package logs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// maxRecord bounds what is held of a line of a file: more than a Log makes of MaxLine bytes of any kind.
const maxRecord = 16 << 20

// reader reads the lines of a log in the order in which they were written, over its rotated files, and when it is asked
// again those that came since. It is used by one goroutine.
//
// It knows its file by what the file is, not by its name: the name changes under it. While the file has the name of the
// current one, lines can come, and a line at its end can be cut off again by a writer whose disk is full. When it has it no
// more, the file is read to its end once more, and the one behind it is opened.
type reader struct {
	path   string // of the current file
	file   *os.File
	info   fs.FileInfo // of the file, as it was when it was opened
	in     *bufio.Reader
	offset int64  // of the next line in the file
	after  string // the stamp of the file, or of one before it
	old    bool   // nobody writes to the file any more
	line   []byte // what was read at the offset
	again  bool   // line is not whole: it is to be read again
}

// newReader returns a reader that begins with the oldest file whose stamp is over after.
func newReader(path, after string) *reader {
	return &reader{path: path, after: after, in: bufio.NewReaderSize(nil, 64<<10)}
}

// next returns the next line without its end, which is valid until the next call, or io.EOF where there is no whole one yet.
func (r *reader) next() ([]byte, error) {
	for {
		if r.file == nil {
			if err := r.openNext(); err != nil {
				return nil, err
			}
		}
		line, err := r.read()
		if err != io.EOF {
			return line, err
		}
		if !r.old {
			if more, err := r.look(); err != nil || !more {
				return nil, orEOF(err)
			}
			continue
		}
		if len(r.line) > 0 { // a file that ends in a line
			return r.take(), nil
		}
		if err := r.openNext(); err != nil {
			return nil, err
		}
	}
}

// rest returns a line without an end at the end of all, after next has returned io.EOF.
func (r *reader) rest() []byte {
	if !r.again || len(r.line) == 0 {
		return nil
	}
	return r.take()
}

// read returns the next whole line of the file, or io.EOF.
func (r *reader) read() ([]byte, error) {
	if r.again {
		if err := r.seek(r.offset); err != nil {
			return nil, err
		}
	}
	r.line = r.line[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		r.line = append(r.line, part...)
		switch {
		case err == nil, err == bufio.ErrBufferFull && len(r.line) >= maxRecord:
			return r.take(), nil
		case err != bufio.ErrBufferFull:
			r.again = len(r.line) > 0
			return nil, err
		}
	}
}

// take goes on behind the line that was read, and returns it.
func (r *reader) take() []byte {
	r.offset += int64(len(r.line))
	line := bytes.TrimSuffix(r.line, lineEnd)
	r.again = false
	if r.line = r.line[:0]; cap(r.line) > 1<<20 {
		r.line = nil
	}
	return line
}

// seek goes to an offset of the file.
func (r *reader) seek(offset int64) error {
	_, err := r.file.Seek(offset, io.SeekStart)
	r.in.Reset(r.file)
	r.offset, r.again = offset, false
	return err
}

// look looks, at the end of the file, whether it is still the current one, and reports whether there may be more in it at once.
func (r *reader) look() (more bool, err error) {
	own, err := r.file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(r.path)
	if err == nil && os.SameFile(own, there) {
		if own.Size() < r.offset { // someone has emptied it
			return true, r.seek(0)
		}
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	r.old = true
	all, err := listOld(r.path)
	for _, o := range all {
		if os.SameFile(own, o.info) {
			r.after = o.stamp
		}
	}
	return true, err
}

// openNext opens the file behind this one, or returns io.EOF where there is none yet.
func (r *reader) openNext() error {
	// The current file is opened before the old ones are listed: if it is rotated in between it is on the list.
	next, err := openRegular(r.path, os.O_RDONLY)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	old, stamp, err := r.openOld()
	switch {
	case old != nil && next != nil:
		next.Close()
		fallthrough
	case old != nil:
		next, r.after = old, stamp
	case err != nil && next != nil:
		next.Close()
		return err
	case err != nil:
		return err
	case next == nil:
		return io.EOF
	}
	info, err := next.Stat()
	if err != nil {
		next.Close()
		return err
	}
	if r.file != nil && os.SameFile(info, r.info) { // its rotation was undone
		next.Close()
		r.old = false
		return io.EOF
	}
	r.close()
	r.file, r.info, r.old = next, info, old != nil
	return r.seek(0)
}

// openOld opens the oldest file whose stamp is over r.after; it is nil where there is none.
func (r *reader) openOld() (f *os.File, stamp string, err error) {
	all, err := listOld(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, o := range all {
		if o.stamp <= r.after {
			continue
		}
		f, err := openRegular(oldPath(r.path, o.stamp), os.O_RDONLY)
		if !errors.Is(err, fs.ErrNotExist) { // else it was removed since
			return f, o.stamp, err
		}
	}
	return nil, "", err
}

// skip goes to an offset of the next file, if that is the one that info is of.
func (r *reader) skip(info fs.FileInfo, offset int64) error {
	if err := r.openNext(); err == io.EOF {
		return nil
	} else if err != nil {
		return err
	}
	if !os.SameFile(r.info, info) {
		return nil
	}
	return r.seek(offset)
}

func (r *reader) close() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// orEOF returns err, or io.EOF where there is none.
func orEOF(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}
