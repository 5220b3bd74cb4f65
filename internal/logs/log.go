package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	spareBytes = 256 << 10        // of an empty queue's memory that is kept
	tellAfter  = 10 * time.Second // without a loss, until the next one is told again
	closeWait  = 5 * time.Second  // for a file system that does not answer
)

// The defaults and bounds of Options.
const (
	DefaultMaxBytes = 16 << 20
	DefaultMaxAge   = 24 * time.Hour
	defaultFiles    = 16 // of MaxBytes that TotalBytes has room for
	defaultQueue    = 4 << 20
)

// Options are what a Log may be told. Nil and zero fields mean the defaults that they name.
type Options struct {
	// MaxBytes is how long the current file gets before it is rotated; only a line that is longer makes it longer. Default:
	// 16 MiB, or a quarter of TotalBytes if that is less.
	MaxBytes int64

	// MaxAge is how old the first line of the current file gets before it is rotated, when the next line comes. Default: a day.
	MaxAge time.Duration

	// TotalBytes is what all files of the log may have together; the oldest are removed. Default: 16 times MaxBytes.
	TotalBytes int64

	// QueueBytes is how much may wait to be written. Default: 4 MiB.
	QueueBytes int

	// OnError is told that lines are lost, or that the file can't be rotated, and why: of the first time, and then of the first
	// one after ten seconds without. It is called by a goroutine of its own, and may block. Default: nobody is told.
	OnError func(error)
}

// withDefaults returns the options with the defaults put in.
func (o *Options) withDefaults() (Options, error) {
	var all Options
	if o != nil {
		all = *o
	}
	if all.MaxBytes < 0 || all.MaxAge < 0 || all.TotalBytes < 0 || all.QueueBytes < 0 {
		return all, fmt.Errorf("MaxBytes %d, MaxAge %v, TotalBytes %d and QueueBytes %d: none of them may be negative, 0 is "+
			"the default", all.MaxBytes, all.MaxAge, all.TotalBytes, all.QueueBytes)
	}
	all.MaxBytes, all.TotalBytes = Sizes(all.MaxBytes, all.TotalBytes)
	if all.MaxBytes > all.TotalBytes {
		return all, fmt.Errorf("MaxBytes, %d, is over TotalBytes, %d", all.MaxBytes, all.TotalBytes)
	}
	if all.MaxAge == 0 {
		all.MaxAge = DefaultMaxAge
	}
	if all.QueueBytes == 0 {
		all.QueueBytes = defaultQueue
	}
	return all, nil
}

// Sizes returns the sizes with those that are 0 replaced by their defaults.
func Sizes(maxBytes, totalBytes int64) (newMax, newTotal int64) {
	if maxBytes == 0 {
		maxBytes = DefaultMaxBytes
		if totalBytes > 0 {
			maxBytes = min(maxBytes, max(totalBytes/4, 1))
		}
	}
	if totalBytes == 0 {
		totalBytes = defaultFiles * maxBytes
	}
	return maxBytes, totalBytes
}

// sink is where a log's lines go: a file, but for some tests.
type sink interface {
	write(lines []byte) (lost int, err error)
	trim() error
	close()
}

// Log is the log of a section. Its methods may be called at once, and none but Close waits for a file.
type Log struct {
	path    string
	section string
	options Options
	sink    sink          // used by run only
	losses  *encoder      // of the lines that say what was lost; used by run only
	wake    chan struct{} // of run; closed by Close
	done    chan struct{} // closed when run has returned
	telling sync.WaitGroup

	mu       sync.Mutex
	queue    []byte // and all below: under mu; lines that wait
	lines    int    // in queue
	spare    []byte // the memory of the queue before, which run may be writing
	closed   bool
	trim     bool      // run is to trim the sink
	lost     uint64    // lines, since Open
	unsaid   uint64    // of those, that no line of the log speaks of yet
	why      error     // of the last loss
	lastLoss time.Time // or error, for OnError
}

// Open opens dir/<section>.log to append to it, and makes dir where it is missing. The section [Manager] is the manager's own
// log. Nil options mean the defaults. No older file is removed before the next rotation, or [Log.Trim].
func Open(dir, section string, options *Options) (*Log, error) {
	o, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return nil, dirError(err)
	}
	path := filepath.Join(dir, section+suffix)
	f, err := openFile(path, &o)
	if err != nil {
		return nil, fileError(err)
	}
	return start(path, section, o, f), nil
}

// Check returns the error that Open would return of the files, as far as that can be known with nothing made or changed.
func Check(dir, section string) error {
	f, err := openRegular(filepath.Join(dir, section+suffix), os.O_RDWR|os.O_APPEND)
	switch {
	case err == nil:
		return f.Close()
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return fileError(err)
	}
	if err := mayMake(dir); err != nil {
		return dirError(err)
	}
	return nil
}

// mayMake reports why nothing can be made in a directory, which may not be there.
func mayMake(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir:
		return mayMake(filepath.Dir(dir))
	case err != nil:
		return err
	case !info.IsDir():
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	return mayWrite(dir)
}

func dirError(err error) error {
	return fmt.Errorf("make the directory for logs: %w: set log_dir to one that you can write to", err)
}

func fileError(err error) error {
	return fmt.Errorf("open the log: %w: remove that file, or set log_dir to another directory", err)
}

func makeDir(dir string) error { return os.MkdirAll(dir, 0o750) }

func start(path, section string, o Options, s sink) *Log {
	l := &Log{path: path, section: section, options: o, sink: s, wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.losses = newEncoder(section, 0, Manager)
	if section != Manager {
		l.losses.head = appendString(append(l.losses.head, `,"section":`...), []byte(section))
	}
	go l.run()
	return l
}

// Path returns the path of the current file.
func (l *Log) Path() string { return l.path }

// Trim removes the oldest files, soon, until all of them together are within TotalBytes. It waits for nothing.
func (l *Log) Trim() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.trim = true
	l.wakeLocked()
}

// Lost returns how many lines were lost since Open. A part of a long line counts as a line.
func (l *Log) Lost() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Writer returns the function that takes the lines of one stream of one process of a worker, as [ReadLines] hands them on. It
// is for one goroutine, never waits, and keeps nothing of line. After Close it counts them as lost.
func (l *Log) Writer(worker int, stream string) func(line []byte, more bool) {
	e := newEncoder(l.section, worker, stream)
	return func(line []byte, more bool) { l.put(e.encode(line, more)) }
}

var (
	errQueueFull = errors.New("the file system is too slow, the queue is full")
	errClosed    = errors.New("the log is closed")
)

// put gives a line its place in the queue, and its time, so that the times of a file are in order as long as the clock is.
func (l *Log) put(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.loseLocked(1, errClosed)
		return
	}
	if len(l.queue) > 0 && len(l.queue)+len(line) > l.options.QueueBytes {
		l.loseLocked(1, errQueueFull)
		return
	}
	at := len(l.queue)
	l.queue = append(l.queue, line...)
	stamp(l.queue[at:])
	l.lines++
	if at == 0 {
		l.wakeLocked()
	}
}

// wakeLocked lets run look at what there is to do. The log is not closed.
func (l *Log) wakeLocked() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake
	}
}

// stamp puts the time into a line.
func stamp(line []byte) {
	var room [2 * len(timeLayout)]byte // AppendFormat writes behind what it returns
	copy(line[timeAt:], time.Now().UTC().AppendFormat(room[:0], timeLayout))
}

// loseLocked counts lines that are lost.
func (l *Log) loseLocked(n int, why error) {
	if n > 0 {
		l.lost += uint64(n)
		l.unsaid += uint64(n)
		l.why = why
	}
	now := time.Now()
	tell := l.options.OnError != nil && why != errClosed && now.Sub(l.lastLoss) > tellAfter
	l.lastLoss = now
	if tell { // run has not ended: Close has not come to wait for those that tell
		l.telling.Go(func() { l.options.OnError(why) })
	}
}

// run writes what is in the queue until Close.
func (l *Log) run() {
	defer close(l.done)
	defer l.sink.close()
	for range l.wake {
		l.trimIfAsked()
		l.flush()
	}
	l.flush()
	l.mu.Lock()
	unsaid, why := l.unsaid, l.why
	l.mu.Unlock()
	if unsaid > 0 {
		l.sayLost(unsaid, why) // or not: there is nobody left to tell
	}
}

// trimIfAsked does what Trim has asked for.
func (l *Log) trimIfAsked() {
	l.mu.Lock()
	asked := l.trim
	l.trim = false
	l.mu.Unlock()
	if !asked {
		return
	}
	if err := l.sink.trim(); err != nil {
		l.fail(0, err)
	}
}

// flush writes the queue until it is empty.
func (l *Log) flush() {
	for {
		lines, count, unsaid, why := l.take()
		if len(lines) == 0 {
			return
		}
		if unsaid > 0 {
			if err := l.sayLost(unsaid, why); err != nil {
				l.fail(count, err) // the lines would fare no better
				continue
			}
		}
		if lost, err := l.sink.write(lines); err != nil {
			l.fail(lost, err)
		}
	}
}

// take empties the queue. The lines are valid until the next call.
func (l *Log) take() (lines []byte, count int, unsaid uint64, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines, count = l.queue, l.lines
	l.queue, l.lines = l.spare[:0], 0
	l.spare = lines
	if len(lines) == 0 && cap(l.queue)+cap(l.spare) > spareBytes { // what a burst needed
		l.queue, l.spare = nil, nil
	}
	return lines, count, l.unsaid, l.why
}

// sayLost writes a line that says how many lines were lost.
func (l *Log) sayLost(n uint64, why error) error {
	what := " lines were lost: "
	if n == 1 {
		what = " line was lost: "
	}
	text := strconv.FormatUint(n, 10)
	b := appendString([]byte(`{"level":"warn","message":`), []byte(text+what+why.Error()))
	line := l.losses.encode(append(b, `,"lost":`+text+`}`...), false)
	stamp(line)
	if lost, err := l.sink.write(line); lost > 0 {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsaid -= n
	return nil
}

// fail notes an error of the sink, by which lines were lost or not.
func (l *Log) fail(lost int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loseLocked(lost, err)
}

// Close writes what is in the queue, and closes the file. Where the file system does not answer for five seconds it gives up
// with an error: what is in the queue is lost then.
func (l *Log) Close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.wake)
	}
	l.mu.Unlock()
	ended := make(chan struct{})
	go func() { // ends with run, and with what OnError does
		<-l.done
		l.telling.Wait()
		close(ended)
	}()
	timeout := time.NewTimer(closeWait)
	defer timeout.Stop()
	select {
	case <-ended:
		return nil
	case <-timeout.C:
		return fmt.Errorf("close the log %s: the file system has not answered for %v: its last lines are lost", l.path, closeWait)
	}
}
