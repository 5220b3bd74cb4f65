package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hotline/monitor"
)

// manager finds the manager that runs in the directory.
func (a *app) manager() (*monitor.Client, error) {
	c, err := monitor.Dial(a.dir)
	return c, a.noManager(err)
}

// noManager puts into the error of a manager that is not there how this program is called.
func (a *app) noManager(err error) error {
	if none := (*monitor.NoManagerError)(nil); errors.As(err, &none) {
		return fmt.Errorf("no manager runs in %s: start one with %s serve FILE.ini, or name another directory with --dir",
			none.Dir, a.program)
	}
	return err
}

// completeSections offers the names of sections for the first word after a command.
func (a *app) completeSections(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.completeControl(cmd.Context(), args, func(s *monitor.Section) []cobra.Completion {
		return []cobra.Completion{cobra.CompletionWithDesc(cell(s.Name), about(s))}
	})
}

// completeWorkers offers SECTION/WORKER.
func (a *app) completeWorkers(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.completeControl(cmd.Context(), args, func(s *monitor.Section) (words []cobra.Completion) {
		for _, w := range s.Workers {
			word := fmt.Sprintf("%s/%d", cell(s.Name), w.Number)
			words = append(words, cobra.CompletionWithDesc(word, fmt.Sprintf("%s, pid %d", w.State, w.PID)))
		}
		return words
	})
}

func (a *app) completeControl(ctx context.Context, args []string,
	words func(*monitor.Section) []cobra.Completion) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(ctx, completeWait)
	defer cancel()
	var all []cobra.Completion
	if c, err := a.manager(); err == nil {
		defer c.Close()
		if status, err := c.Status(ctx, ""); err == nil {
			for i := range status.Sections {
				all = append(all, words(&status.Sections[i])...)
			}
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// first returns the first word, or an empty one.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// short returns a duration in at most 6 characters or so: "12.3s", "4m10s", "3h2m", "5d3h".
func short(d time.Duration) string {
	switch { // with the digits that are shown, nothing is rounded up to 1000 of a unit or 60 s
	case d < time.Microsecond:
		return fmt.Sprintf("%dns", d)
	case d < 999500*time.Nanosecond:
		return digits(float64(d)/1e3) + "µs"
	case d < 999500*time.Microsecond:
		return digits(float64(d)/1e6) + "ms"
	case d < 59500*time.Millisecond:
		return digits(d.Seconds()) + "s"
	}
	d = d.Round(time.Second)
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// digits returns a number below 999.5 with up to three digits.
func digits(v float64) string {
	if v < 9.95 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// amount returns a number of things in at most 5 characters: "999", "12.3k".
func amount(v float64) string {
	for _, unit := range []string{"", "k", "M", "G"} {
		if v < 999.5 {
			if unit == "" && v == float64(int64(v)) || v >= 99.95 {
				return fmt.Sprintf("%.0f%s", v, unit)
			}
			return fmt.Sprintf("%.1f%s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.0fT", v)
}

// memory returns a number of bytes, in binary units.
func memory(bytes int64) string {
	v := float64(bytes)
	for _, unit := range []string{"B", "K", "M", "G"} {
		if v < 1023.5 {
			if unit == "B" || v >= 9.95 {
				return fmt.Sprintf("%.0f%s", v, unit)
			}
			return fmt.Sprintf("%.1f%s", v, unit)
		}
		v /= 1024
	}
	return fmt.Sprintf("%.1fT", v)
}
