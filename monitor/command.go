package monitor

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/unixsock"
)

// maxSteps is how many lines of progress wait for the client of a command that is slow to take them.
const maxSteps = 256

// job is a command that is under way. It waits for nobody.
type job struct {
	steps  chan string
	missed atomic.Int64
	done   chan struct{} // closed at the end
	end    event         // set before done is closed
}

// say takes a step, for as many as there is room.
func (j *job) say(line string) {
	select {
	case j.steps <- line:
	default:
		j.missed.Add(1)
	}
}

// command starts a command and tells how it goes.
func (s *Server) command(w http.ResponseWriter, r *http.Request) {
	var c Command
	err := decode(r, &c)
	if err == nil {
		err = s.check(&c)
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	j, err := s.begin(&c, r.Context().Value(peerKey{}).(unixsock.Peer))
	switch {
	case err != nil:
		s.fail(w, err)
	case c.NoWait:
		s.write(w, http.StatusAccepted, event{Outcome: &Outcome{Section: c.Name, Begun: true}})
	default:
		s.follow(w, r, j)
	}
}

// check reports what is wrong with a command, and replaces its name by that of the section.
func (s *Server) check(c *Command) error {
	switch c.Verb {
	case Start, Stop, Drain, Restart, Scale:
	case Reload:
		if c.Name != "" {
			return errorf(BadRequest, "reload is for all sections, not for %q alone", c.Name)
		}
		return nil
	default:
		return errorf(BadRequest, "there is no command %.40q: use start, stop, drain, restart, scale or reload", c.Verb)
	}
	if c.Verb == Scale && c.Workers < 1 {
		return errorf(BadRequest, "scale to %d workers: use 1 or more, or stop the section", c.Workers)
	}
	if c.Name == "" {
		return errorf(BadRequest, "%s what? Give the name of a section", c.Verb)
	}
	found, err := Find(s.sections(), c.Name)
	if err == nil {
		c.Name = found.Name
	}
	return err
}

// begin starts a command, which goes on whoever leaves.
func (s *Server) begin(c *Command, by unixsock.Peer) (*job, error) {
	select {
	case s.slots <- struct{}{}:
	case <-s.life.Done():
		return nil, errorf(Busy, "the manager is about to end")
	default:
		return nil, errorf(Busy, "%d commands are under way, which is all that the manager takes: wait for some", maxJobs)
	}
	j := &job{steps: make(chan string, maxSteps), done: make(chan struct{})}
	go func() { // until the command's end, which Serve waits for
		defer func() { <-s.slots }()
		began := time.Now()
		c.note(s.log.Info(), by).Msg("control: command begun")
		changes, err := s.execute(c, j.say)
		ended := s.log.Info()
		if err != nil {
			ended = s.log.Warn().Err(err)
		}
		c.note(ended, by).Stringer("took", time.Since(began).Round(time.Millisecond)).Msg("control: command ended")
		if err != nil {
			j.end.Error = asError(err)
		} else {
			j.end.Outcome = &Outcome{Section: c.Name, Changes: changes, Missed: int(j.missed.Load())}
		}
		close(j.done)
	}()
	return j, nil
}

// note adds to an event what the command is and who gave it.
func (c *Command) note(e *zerolog.Event, by unixsock.Peer) *zerolog.Event {
	e = e.Str("command", string(c.Verb))
	if c.Name != "" {
		e = e.Str("section", c.Name)
	}
	if c.Verb == Scale {
		e = e.Int("workers", c.Workers)
	}
	if c.DryRun {
		e = e.Bool("dry_run", true)
	}
	return e.Uint32("uid", by.UID).Int("pid", by.PID)
}

func (s *Server) execute(c *Command, say func(string)) ([]Change, error) {
	m, ctx := s.manager, s.life
	switch c.Verb {
	case Start:
		return nil, m.Start(ctx, c.Name, say)
	case Stop:
		return nil, m.Stop(ctx, c.Name, say)
	case Drain:
		return nil, m.Drain(ctx, c.Name, say)
	case Restart:
		return nil, m.Restart(ctx, c.Name, say)
	case Scale:
		return nil, m.Scale(ctx, c.Name, c.Workers, say)
	}
	made, err := m.Reload(ctx, c.DryRun, say)
	changes := make([]Change, len(made))
	for i, step := range made {
		changes[i] = Change(step)
	}
	return changes, err
}

// follow writes the steps of a command, and its outcome, as they come. It returns early when the client has gone or
// doesn't take them.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, j *job) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := &stream{w, json.NewEncoder(w)}
	if lines.flush() != nil { // so that the client knows that it has begun
		return
	}
	for {
		select {
		case step := <-j.steps:
			if lines.step(step) != nil {
				return
			}
		case <-j.done:
			for len(j.steps) > 0 {
				if lines.step(<-j.steps) != nil {
					return
				}
			}
			lines.send(j.end)
			return
		case <-r.Context().Done():
			return
		}
	}
}

// stream writes lines of JSON to a client.
type stream struct {
	w http.ResponseWriter
	*json.Encoder
}

func (l *stream) step(line string) error { return l.send(event{Progress: &line}) }

func (l *stream) send(e event) error {
	if err := l.Encode(e); err != nil {
		return err
	}
	return l.flush()
}

func (l *stream) flush() error { return http.NewResponseController(l.w).Flush() }
