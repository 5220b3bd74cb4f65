package manager

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/logs"
	"hotline/registry"
)

// sectionLog is the log of a section.
type sectionLog struct {
	*logs.Log
	failed func(error) // is told what is wrong with it
	tally  *tally      // that counts what it loses; nil before the section has it
}

// close closes the log, which waits a while for a file system that takes nothing.
func (l *sectionLog) close() {
	if err := l.Close(); err != nil {
		l.failed(err)
	}
	if l.tally != nil {
		l.tally.close(l)
	}
}

// openLog opens the edition's log, or shares that of the earlier edition where it is the same.
func (m *Manager) openLog(e, earlier *edition) (err error) {
	if earlier != nil && e.service.logSettings() == earlier.service.logSettings() {
		e.log = earlier.log
		return nil
	}
	section := e.service.Section
	failed := func(err error) {
		m.sayAs(m.log.Error(), section, fmt.Sprintf("the log has a problem: %v", err))
	}
	log, err := e.service.openLog(m.dir, section, failed)
	if err == nil {
		e.log = &sectionLog{Log: log, failed: failed}
	}
	return err
}

// checkLog reports why openLog would fail, and opens nothing.
func (m *Manager) checkLog(e, earlier *edition) error {
	if earlier != nil && e.service.logSettings() == earlier.service.logSettings() {
		return nil
	}
	if err := logs.Check(e.service.logPlace(m.dir), e.service.Section); err != nil {
		return e.service.errorAt("log_dir", err)
	}
	return nil
}

// logSettings is what a section says of its log.
type logSettings struct {
	dir       string
	one, most int64
	age       time.Duration
}

func (s *Service) logSettings() logSettings {
	return logSettings{s.LogDir, s.LogMaxBytes, s.LogTotalBytes, s.LogMaxAge}
}

// logPlace returns the directory of the service's log.
func (s *Service) logPlace(dir *registry.Dir) string {
	return cmp.Or(s.LogDir, logs.DefaultDir(dir.Path()))
}

// openLog opens a log where the service's settings say.
func (s *Service) openLog(dir *registry.Dir, name string, onError func(error)) (*logs.Log, error) {
	log, err := logs.Open(s.logPlace(dir), name, &logs.Options{
		MaxBytes: s.LogMaxBytes, MaxAge: s.LogMaxAge, TotalBytes: s.LogTotalBytes, OnError: onError,
	})
	if err != nil {
		return nil, s.errorAt("log_dir", err)
	}
	return log, nil
}

// ownLog returns what [defaults] says of the log of what the manager itself has to say.
func (c *Config) ownLog() *Service {
	if c.defaults == nil {
		return &Service{file: c.File}
	}
	return c.defaults
}

// openOwnLog opens the manager's own log.
func (m *Manager) openOwnLog(c *Config) (*logs.Log, error) {
	return c.ownLog().openLog(m.dir, logs.Manager, func(err error) {
		m.speaker.say(fmt.Sprintf("%s: the log has a problem: %v", logs.Manager, err)) // which it can't take itself
	})
}

// setOwnLog makes a log the manager's own, in place of the one before.
func (m *Manager) setOwnLog(log *logs.Log) {
	m.events.to(log)
	m.closeOwnLog()
	m.own = log
	log.Trim()
}

// closeOwnLog closes the manager's own log, if there is one.
func (m *Manager) closeOwnLog() {
	if m.own == nil {
		return
	}
	if err := m.own.Close(); err != nil {
		m.say("%s: %v", logs.Manager, err)
	}
}

// noteLogs leaves a note of where the logs are, for those who read them.
func (m *Manager) noteLogs() error {
	places := []logs.Place{{Section: logs.Manager, File: m.own.Path()}}
	for _, p := range m.allPools() {
		p.mu.Lock()
		places = append(places, logs.Place{Section: p.section, File: p.current.log.Path()})
		p.mu.Unlock()
	}
	return logs.Note(m.dir.Path(), places)
}

// events takes the events of a manager's logger, and hands them on to the logger of its options, which may be nil, and to its
// own log while that is open.
type events struct {
	also *zerolog.Logger

	mu  sync.Mutex
	own *logs.Log // under mu, also while a line goes there: it is closed only when another one is
}

var _ zerolog.LevelWriter = (*events)(nil)

// logger returns the logger for events.
func (e *events) logger() zerolog.Logger { return zerolog.New(e) }

func (e *events) to(log *logs.Log) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.own = log
}

// Write is there for io.Writer; a logger calls WriteLevel.
func (e *events) Write(line []byte) (int, error) { return e.WriteLevel(zerolog.NoLevel, line) }

// WriteLevel takes a line of JSON. It never fails: who has something to say can do nothing about it.
func (e *events) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	e.mu.Lock()
	if e.own != nil { // which waits for nothing
		logs.ReadLines(io.NopCloser(bytes.NewReader(line)), e.own.Writer(0, logs.Manager))
	}
	e.mu.Unlock()
	if e.also != nil {
		logs.Replay(e.also.WithLevel(level), line)
	}
	return len(line), nil
}
