package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hotline/internal/worker"
	"hotline/manager/internal/each"
	"hotline/manager/internal/gobuild"
	"hotline/registry"
)

// describeAll learns from the programs of editions what they serve, side by side.
func (m *Manager) describeAll(ctx context.Context, editions []*edition) error {
	return each.AtOnce(ctx, len(editions), func(i int) error {
		e := editions[i]
		services, err := m.describe(ctx, e)
		if err == nil {
			err = checkServices(services, e.service.TCPBind != "")
		}
		if err != nil {
			return e.service.locate(err)
		}
		e.services = services
		return nil
	})
}

// describe runs the program to say what it serves.
func (m *Manager) describe(ctx context.Context, e *edition) ([]worker.Description, error) {
	var last tail
	run, err := e.command(m, worker.Describe, last.add, last.add).start()
	if err != nil {
		if located := new(ConfigError); errors.As(err, &located) {
			return nil, err
		}
		return nil, fmt.Errorf("start the program: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	select { // a program that has described itself has nothing more to do
	case <-run.exited:
	case <-ctx.Done():
		run.kill()
		<-run.exited
	}
	var got told
	select {
	case got = <-run.said:
	default:
	}
	switch {
	case got.err != nil:
		return nil, fmt.Errorf("the program said what is no description of its services: %w%s", got.err, quoteOutput(&last))
	case got.message == nil && ctx.Err() != nil:
		return nil, fmt.Errorf("the program did not say within %v what it serves: it must come to hotline.Serve or "+
			"Server.Serve without waiting for anything%s", describeTimeout, quoteOutput(&last))
	case got.message == nil && !run.cmd.ProcessState.Success():
		return nil, fmt.Errorf("the program can't serve (%s)%s", run.ending(), quoteOutput(&last))
	case got.message == nil:
		return nil, fmt.Errorf("the program ended without saying what it serves: it must call hotline.Serve or Server.Serve%s",
			quoteOutput(&last))
	case got.message.Event != worker.Described:
		return nil, fmt.Errorf("the program said %q when it was asked what it serves: build it with this version of hotline",
			got.message.Event)
	}
	return got.message.Services, nil
}

// checkServices reports services that can't be registered.
func checkServices(services []worker.Description, tcp bool) error {
	if len(services) == 0 {
		return errors.New("the program serves nothing: register a service before Serve")
	}
	var errs []error
	for _, s := range services {
		_, err := registry.Major(s.Version)
		if err = errors.Join(registry.CheckName(s.Name), registry.CheckPort(s.Port), err); err != nil {
			errs = append(errs, fmt.Errorf("type %s: %w", s.Type, err))
		} else if tcp && !registry.IsNumber(s.Port) {
			errs = append(errs, fmt.Errorf("type %s has the word %q for a port, and tcp_bind needs a number: change the "+
				"port tag, or set tcp_bind to nothing in this section", s.Type, s.Port))
		}
	}
	return errors.Join(errs...)
}

// quoteOutput returns the last lines of a program's output, for the end of an error.
func quoteOutput(t *tail) string {
	text := t.String()
	if text == "" {
		return ""
	}
	return ":\n" + gobuild.Indent(text)
}

// roundTime makes a duration fit to be read.
func roundTime(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Second:
		return d.Round(time.Second)
	case d > time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
