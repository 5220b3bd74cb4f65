package manager

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// logFile takes the output of all workers of a section, a line each:
//
//	2026-01-02T15:04:05.000Z 2 stderr the text
//
// with the number of the worker and the stream. The stream has a '+' behind it where the text continues a line that
// was longer than maxLine. Its methods may be called at once.
type logFile struct {
	path string
	lost func(error) // told of the first line that could not be written, and of the first after one that could

	mu      sync.Mutex
	file    *os.File
	line    []byte // reused
	failing bool
	dropped int // lines
}

// openLog opens dir/<section>.log to append to it, and makes dir where it is missing.
func openLog(dir, section string, lost func(error)) (*logFile, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the directory for logs: %w: set log_dir to one that you can write to", err)
	}
	path := filepath.Join(dir, section+".log")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|noFollow, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w: remove that file, or set log_dir to another directory", err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("open the log: %s is no regular file: remove it, or set log_dir to another directory", path)
	}
	return &logFile{path: path, file: f, lost: lost}, nil
}

// writer returns the function that takes one stream of one worker.
func (l *logFile) writer(number int, stream string) func(line []byte, more bool) {
	inner := false
	return func(line []byte, more bool) {
		name := stream
		if inner {
			name += "+"
		}
		inner = more
		l.write(number, name, line)
	}
}

// write writes a line with one call, so that lines of several processes stay whole. A line that can't be written is
// counted: a full disk never holds up a worker.
func (l *logFile) write(number int, stream string, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := time.Now().UTC().AppendFormat(l.line[:0], "2006-01-02T15:04:05.000Z")
	b = fmt.Appendf(b, " %d %s ", number, stream)
	b = append(append(b, line...), '\n')
	l.line = b
	_, err := l.file.Write(b)
	if err != nil {
		l.dropped++
		if !l.failing {
			l.lost(err)
		}
	}
	l.failing = err != nil
}

func (l *logFile) droppedLines() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

func (l *logFile) close() error { return l.file.Close() }
