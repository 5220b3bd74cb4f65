package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hotline"
	"hotline/internal/nearest"
)

// reach is how a service is reached, as flags say it.
type reach struct {
	address    string
	timeout    time.Duration
	maxMessage int
}

// defaultMaxMessage is what the library's own default is, in bytes.
const defaultMaxMessage = 128 << 20

func (r *reach) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&r.address, "address", "auto://",
		"where the service is: auto:// (on this machine), shm://, unix://,\ntcp://host[:port] or tls://host[:port]")
	flags.DurationVar(&r.timeout, "timeout", 0, "give up after this long, as in 500ms or 10s (default never)")
	cmd.RegisterFlagCompletionFunc("address", cobra.FixedCompletions(
		[]cobra.Completion{"auto://", "shm://", "unix://", "tcp://", "tls://"},
		cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp))
}

// messageFlag is for commands that make calls.
func (r *reach) messageFlag(cmd *cobra.Command) {
	cmd.Flags().IntVar(&r.maxMessage, "max-message", defaultMaxMessage,
		"the longest argument and the longest reply to take, in bytes")
}

// check reports what is wrong with the flags.
func (r *reach) check() error {
	switch {
	case r.timeout < 0:
		return usagef("--timeout %v: a timeout is not negative", r.timeout)
	case r.maxMessage < 0 || int64(r.maxMessage) > 1<<32-1:
		return usagef("--max-message %d: use a number of bytes from 1 to 4294967295", r.maxMessage)
	}
	return nil
}

// context returns ctx with the timeout.
func (r *reach) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.timeout > 0 {
		return context.WithTimeout(ctx, r.timeout)
	}
	return context.WithCancel(ctx)
}

// explain adds to an error of a call under ctx what the user did to bring it about.
func (r *reach) explain(ctx context.Context, err error) error {
	switch {
	case r.timeout > 0 && errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w (--timeout %v)", err, r.timeout)
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
	}
	return err
}

// dial connects to a service. Where there is none of that name or port on this machine, the error says what is there.
func (a *app) dial(ctx context.Context, target string, r *reach) (*hotline.Client, error) {
	d := &hotline.Dialer{Dir: a.dir, MaxMessage: r.maxMessage}
	c, err := d.Dial(ctx, target, r.address)
	var missing *hotline.NotFoundError
	if errors.As(err, &missing) {
		return nil, notRunning(missing)
	}
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	return c, nil
}

// notRunning says that a service is not there, and which are.
func notRunning(missing *hotline.NotFoundError) error {
	if len(missing.Known) == 0 {
		return fmt.Errorf("no service %q is running, nor any other (looked in %s): start it, or name another directory with "+
			"--dir", missing.Target, missing.Dir)
	}
	var names []string
	for _, known := range missing.Known {
		name, _, _ := strings.Cut(known, " ")
		names = append(names, name)
	}
	return fmt.Errorf("no service %q is running%s\nThese are: %s", missing.Target, didYouMean(missing.Target, names),
		strings.Join(missing.Known, ", "))
}

// findMethod returns the method called name. One that is not there is an error of usage.
func findMethod(s *hotline.ServiceInfo, name string) (*hotline.MethodInfo, error) {
	var names []string
	for i := range s.Methods {
		if s.Methods[i].Name == name {
			return &s.Methods[i], nil
		}
		names = append(names, s.Methods[i].Name)
	}
	return nil, usagef("%s has no method %q%s\nIts methods: %s", s.Name, name, didYouMean(name, names),
		strings.Join(names, ", "))
}

// didYouMean returns the end of an error: ": did you mean x?", or nothing.
func didYouMean(name string, names []string) string {
	if near := nearest.Word(name, names); near != "" {
		return ": did you mean " + near + "?"
	}
	return ""
}
