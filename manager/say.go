package manager

import (
	"fmt"

	"github.com/rs/zerolog"
)

// What the manager has to say goes two ways with the same words: as a line to people, on Options.Stdout, and as an event into
// manager.log and to Options.Logger, which has the section and the worker as fields.

// say says something to people and in the log. It waits for nobody.
func (m *Manager) say(format string, args ...any) {
	m.sayAs(m.log.Info(), "", fmt.Sprintf(format, args...))
}

// sayAs says something, of a section if one is named, by an event of the caller's making.
func (m *Manager) sayAs(e *zerolog.Event, section, words string) {
	line := words
	if section != "" {
		line = section + ": " + words
		e = e.Str("section", section)
	}
	m.speaker.say(line)
	e.Msg(words)
}

// Logger returns a logger for those who serve the manager to others, as package monitor does: its events go the two ways that
// all goes that the manager has to say.
func (m *Manager) Logger() *zerolog.Logger {
	people := zerolog.ConsoleWriter{Out: &m.speaker, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName}}
	log := zerolog.New(zerolog.MultiLevelWriter(&m.events, people))
	return &log
}

// say says something of the section, soon, to people, those who wait for a command, and in the log. The lock is held.
func (p *pool) say(format string, args ...any) { p.sayAs(p.manager.log.Info(), format, args...) }

// warn is say for what is not as it should be.
func (p *pool) warn(format string, args ...any) { p.sayAs(p.manager.log.Warn(), format, args...) }

// sayAs is say by an event of the caller's making.
func (p *pool) sayAs(e *zerolog.Event, format string, args ...any) {
	words := fmt.Sprintf(format, args...)
	p.said = append(p.said, func() { p.manager.sayAs(e, p.section, words) })
	p.tell("%s", words)
}

// say says something of the worker, as its pool's. The pool's lock is held.
func (w *slot) say(format string, args ...any) { w.sayAs(w.pool.manager.log.Info(), format, args...) }

// warn is say for what is not as it should be.
func (w *slot) warn(format string, args ...any) { w.sayAs(w.pool.manager.log.Warn(), format, args...) }

// sayAs is say by an event of the caller's making.
func (w *slot) sayAs(e *zerolog.Event, format string, args ...any) {
	w.pool.sayAs(e.Int("worker", w.number), "worker %d %s", w.number, fmt.Sprintf(format, args...))
}

// note is sayAs for the log alone.
func (w *slot) note(e *zerolog.Event, format string, args ...any) {
	e = e.Str("section", w.pool.section).Int("worker", w.number)
	words := fmt.Sprintf("worker %d %s", w.number, fmt.Sprintf(format, args...))
	w.pool.said = append(w.pool.said, func() { e.Msg(words) })
}
