package logs

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// MaxLine is the longest line that is kept whole, in bytes without its end. A longer one is handed on in parts.
const MaxLine = 1 << 20

// lineBuffer is what is held of a stream whose lines are short.
const lineBuffer = 32 << 10

// ReadLines reads lines until the end of r, or its first error, and hands each to to, without its end; more says that the
// line goes on in the next call. What stands behind the last line end is a line, too. The bytes are valid until to
// returns. It closes r.
func ReadLines(r io.ReadCloser, to func(line []byte, more bool)) {
	defer r.Close()
	small := make([]byte, lineBuffer)
	buf := small
	begin, end := 0, 0 // of what is not handed on yet; there is no line end in it
	for {
		n, err := r.Read(buf[end:])
		fresh := end
		end += n
		for {
			at := bytes.IndexByte(buf[fresh:end], '\n')
			if at < 0 {
				break
			}
			to(buf[begin:fresh+at], false)
			fresh += at + 1
			begin = fresh
		}
		if err != nil {
			if begin < end {
				to(buf[begin:end], false)
			}
			return
		}
		if end-begin > MaxLine {
			cut := begin + wholeRunes(buf[begin:begin+MaxLine])
			to(buf[begin:cut], true)
			begin = cut
		}
		buf, begin, end = makeRoom(buf, small, begin, end)
	}
}

// makeRoom returns a buffer that has what stands in buf from begin to end, and room for more: small where that is enough.
func makeRoom(buf, small []byte, begin, end int) (roomy []byte, newBegin, newEnd int) {
	held := end - begin
	switch {
	case held < len(small)/2 && len(buf) > len(small):
		buf = append(small[:0], buf[begin:end]...)[:len(small)]
	case end < len(buf):
		return buf, begin, end
	case begin > 0:
		copy(buf, buf[begin:end])
	default:
		larger := make([]byte, min(2*len(buf), MaxLine+1))
		copy(larger, buf)
		buf = larger
	}
	return buf, 0, held
}

// wholeRunes returns the length of text without a character at its end that is not all there.
func wholeRunes(text []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if last := text[len(text)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return len(text) - i
			}
			break
		}
	}
	return len(text)
}
