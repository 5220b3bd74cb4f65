package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hotline/internal/logs"
	"hotline/internal/plural"
	"hotline/manager"
	"hotline/monitor"
)

const statusHelp = `Show what the sections of the running manager do: their state, and for each
worker its state, process, age, and how often and why it was started again.

NAME is that of a section, or the name or port of a service; without it all
sections are shown.`

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "status [NAME]",
		Short:             "Show the state of the manager's workers",
		Long:              statusHelp,
		Example:           "  hotline status\n  hotline status Server -o json",
		Args:              operands(0, 1),
		ValidArgsFunction: a.completeSections,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.status(cmd.Context(), first(args)) },
	}
}

func (a *app) status(ctx context.Context, name string) error {
	c, err := a.manager()
	if err != nil {
		return err
	}
	defer c.Close()
	status, err := c.Status(ctx, name)
	if err != nil {
		return a.noManager(err)
	}
	if a.json() {
		return a.printJSON(status)
	}
	return a.printStatus(status, time.Now())
}

func (a *app) printStatus(s *monitor.Status, now time.Time) error {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	of := ""
	if s.Manager.File != "" {
		of = " of " + logs.Clean(s.Manager.File)
	}
	fmt.Fprintf(w, "manager%s, pid %d, up %s\n", of, s.Manager.PID, short(now.Sub(s.Manager.Started)))
	if len(s.Sections) == 0 {
		fmt.Fprintln(w, "It builds its programs.")
	}
	for i := range s.Sections {
		printSection(w, &s.Sections[i], now)
	}
	w.Flush() // into memory
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(a.out, strings.TrimRight(line, " \n")); err != nil { // the last column is often empty
			return err
		}
	}
	return nil
}

func printSection(w *tabwriter.Writer, s *monitor.Section, now time.Time) {
	state := string(s.State)
	if s.State != manager.Stopped {
		state += fmt.Sprintf(", %d of %s ready", s.Ready, plural.Of(s.Wanted, "worker"))
	}
	if s.Rolling {
		state += ", being replaced"
	}
	fmt.Fprintf(w, "\n%s: %s; %s\n", cell(s.Name), state, about(s))
	if s.LogLost > 0 {
		fmt.Fprintf(w, "  %s of output could not be written to %s\n", plural.Of(s.LogLost, "line"), logs.Clean(s.LogFile))
	}
	if len(s.Workers) == 0 {
		return
	}
	due := ""
	if slices.ContainsFunc(s.Workers, func(w monitor.Worker) bool { return w.Due != "" }) {
		due = "DUE" // for being replaced
	}
	fmt.Fprintf(w, "  WORKER\tSTATE\tPID\tUP\tRESTARTS\tLAST END\t%s\n", due)
	for _, v := range s.Workers {
		state := string(v.State)
		if v.Failed {
			state += ", failed"
		}
		pid, up := "-", "-"
		if v.PID != 0 {
			pid = fmt.Sprint(v.PID)
		}
		if v.Started != nil {
			up = short(now.Sub(*v.Started))
		}
		fmt.Fprintf(w, "  %d\t%s\t%s\t%s\t%d\t%s\t%s\n", v.Number, state, pid, up, v.Restarts, cell(cmp.Or(v.LastEnd, "-")), cell(v.Due))
	}
}

// about says which services a section serves.
func about(s *monitor.Section) string {
	var all []string
	for _, v := range s.Services {
		all = append(all, cell(fmt.Sprintf("%s %s on port %s", v.Name, v.Version, v.Port)))
	}
	return cmp.Or(strings.Join(all, ", "), "no service")
}
