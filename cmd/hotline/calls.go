package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hotline/monitor"
)

const callsHelp = `Show the calls that the manager's workers are executing right now, the oldest
first: the place to look when a service hangs. The workers are not asked: what
they do is read from memory that they share with the manager.

NAME is that of a section, or the name or port of a service; without it the
calls of all sections are shown.`

func (a *app) callsCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "calls [NAME]",
		Short:             "Show what every worker is doing right now",
		Long:              callsHelp,
		Example:           "  hotline calls\n  hotline calls echo_serv -o json",
		Args:              operands(0, 1),
		ValidArgsFunction: a.completeSections,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.calls(cmd.Context(), first(args)) },
	}
}

func (a *app) calls(ctx context.Context, name string) error {
	c, err := a.manager()
	if err != nil {
		return err
	}
	defer c.Close()
	f, err := c.Figures(ctx, name)
	if err != nil {
		return a.noManager(err)
	}
	a.warnUnread(f)
	calls, more := f.Calls()
	if a.json() {
		return a.printJSON(calls)
	}
	if len(calls) == 0 {
		_, err := fmt.Fprintln(a.out, "No call is under way.")
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AGE\tMETHOD\tSERVICE\tWORKER\tPID")
	for _, c := range calls {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s/%d\t%d\n", short(c.Age), cell(c.Method), cell(c.Service), cell(c.Section), c.Worker, c.PID)
	}
	if more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
	return w.Flush()
}

// warnUnread says which workers' figures are not there.
func (a *app) warnUnread(f *monitor.Figures) {
	for i := range f.Sections {
		for _, w := range f.Sections[i].Figures {
			if w.Unread != "" {
				fmt.Fprintf(a.err, "hotline: what %s/%d does could not be read: %s\n", cell(f.Sections[i].Name), w.Number, cell(w.Unread))
			}
		}
	}
}
