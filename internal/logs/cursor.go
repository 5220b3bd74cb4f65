package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// cursor is where a query is in a log.
type cursor struct {
	query  *Query
	place  Place
	reader *reader
	next   *Record
	at     time.Time // of next, or of the line before: it never goes back, even if the clock did
	atEnd  bool      // there was nothing more

	// The end of the history: what the current file was when the query began, and its size.
	last     fs.FileInfo
	lastSize int64
}

// open returns the cursor of a log, at the first line that can be wanted, or a little before it.
func (q *Query) open(p Place) (*cursor, error) {
	c := &cursor{query: q, place: p}
	if info, err := os.Lstat(p.File); err == nil {
		c.last, c.lastSize = info, info.Size()
	}
	all, err := listOld(p.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	after := ""
	for len(all) > 0 && !q.Since.IsZero() && all[0].stamp < stampOf(q.Since) { // all its lines are older
		after, all = all[0].stamp, all[1:]
	}
	c.reader = newReader(p.File, after)
	if q.Last == 0 {
		return c, nil
	}
	return c, c.skipToLast(after, all)
}

// skipToLast goes to the first of the last lines that are wanted. It looks for them from the newest file on.
func (c *cursor) skipToLast(after string, all []old) error {
	need := c.query.Last
	for i := len(all); i >= 0; i-- {
		path := c.place.File
		if i < len(all) {
			path = oldPath(path, all[i].stamp)
		}
		offsets, info, err := c.matches(path, need)
		if err != nil {
			return err
		}
		if need -= len(offsets); need > 0 {
			continue
		}
		if i > 0 {
			after = all[i-1].stamp
		}
		c.reader.after = after
		return c.reader.skip(info, offsets[0])
	}
	return nil
}

// matches returns the offsets of the last lines of a file that match, at most so many, in their order. A file that is not there
// has none.
func (c *cursor) matches(path string, most int) ([]int64, fs.FileInfo, error) {
	f, err := openRegular(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	in := newReader(path, "")
	in.file = f
	defer in.close()
	c.at = time.Time{}
	defer func() { c.at = time.Time{} }()
	if err := in.seek(0); err != nil {
		return nil, nil, err
	}
	var offsets []int64
	for {
		at := in.offset
		line, err := in.read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		if c.record(line) == nil {
			continue
		}
		if offsets = append(offsets, at); len(offsets)/2 >= most {
			offsets = append(offsets[:0], offsets[len(offsets)-most:]...)
		}
	}
	info, err := f.Stat()
	return offsets[max(0, len(offsets)-most):], info, err
}

// fill makes next the next line that matches, if there is one. In the history it may be one without an end, where that is all
// that there will be.
func (c *cursor) fill(history bool) error {
	for c.next == nil && !c.atEnd {
		if c.atEnd = history && c.isPast(); c.atEnd {
			break
		}
		line, err := c.reader.next()
		if err != nil && err != io.EOF {
			return fmt.Errorf("read the log of %s: %w", c.place.Section, err)
		}
		c.atEnd = err == io.EOF
		if c.atEnd && history && !c.query.Follow {
			line = c.reader.rest()
		}
		if line != nil {
			c.next = c.record(bytes.Clone(line))
		}
	}
	return nil
}

// isPast reports whether all that there was when the query began has been read.
func (c *cursor) isPast() bool {
	return c.last != nil && c.reader.file != nil && c.reader.offset >= c.lastSize && os.SameFile(c.reader.info, c.last)
}

// record returns the record of a line, or nil if it does not match. It notes its time.
func (c *cursor) record(line []byte) *Record {
	r := Parse(line)
	if r.Time.After(c.at) {
		c.at = r.Time
	}
	if !r.Readable {
		r.Time, r.Section = c.at, c.place.Section
	}
	if r.Time.Before(c.query.Since) || c.query.Match != nil && !c.query.Match(&r) {
		return nil
	}
	return &r
}

// take returns the next line.
func (c *cursor) take() *Record {
	r := c.next
	c.next = nil
	return r
}
