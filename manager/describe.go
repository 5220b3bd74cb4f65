package manager

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"hotline/internal/worker"
	"hotline/registry"
)

// describeAll learns from the programs of all sections what they serve, side by side.
func describeAll(ctx context.Context, pools []*pool) error {
	errs := make([]error, len(pools))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i, p := range pools {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			services, err := p.describe(ctx)
			if err == nil {
				err = checkServices(services, p.service.TCPBind != "")
			}
			if err != nil {
				errs[i] = p.service.sourceError(err)
			}
			p.services = services
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(errs...)
}

// describe runs the program to say what it serves.
func (p *pool) describe(ctx context.Context) ([]worker.Description, error) {
	var last tail
	run, err := p.command(worker.Describe, last.add, last.add).start()
	if err != nil {
		return nil, fmt.Errorf("start the program: %w", err)
	}
	type answer struct {
		message *worker.Message
		err     error
	}
	answers := make(chan answer, 1)
	go func() { // ends when the control channel is closed, at the latest with the process
		m, err := run.control.Next()
		answers <- answer{m, err}
	}()
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	var got answer
	select {
	case got = <-answers:
	case <-ctx.Done():
		run.kill()
		<-run.exited
		<-answers
		return nil, fmt.Errorf("the program did not say within %v what it serves: it must come to hotline.Serve or "+
			"Server.Serve without waiting for anything%s", describeTimeout, quoteOutput(&last))
	}
	select { // a program that has described itself has nothing more to do
	case <-run.exited:
	case <-ctx.Done():
		run.kill()
		<-run.exited
	}
	switch {
	case got.err != nil && !run.cmd.ProcessState.Success():
		return nil, fmt.Errorf("the program can't serve (%s)%s", run.ending(), quoteOutput(&last))
	case got.err != nil:
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
	return ":\n" + indent(text)
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
