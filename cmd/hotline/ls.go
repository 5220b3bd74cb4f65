package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hotline/registry"
)

// listed is an instance as ls prints it for scripts.
type listed struct {
	Name      string         `json:"name"`
	Port      string         `json:"port"`
	Version   string         `json:"version"`
	State     registry.State `json:"state"`
	PID       int            `json:"pid"`
	Since     time.Time      `json:"since"`
	Addresses []string       `json:"addresses"`
	ID        string         `json:"id"`
}

func (a *app) lsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the services that run on this machine",
		Args:    operands(0, 0),
		RunE:    func(*cobra.Command, []string) error { return a.ls() },
	}
}

func (a *app) ls() error {
	dir, err := registry.Open(a.dir)
	if err != nil {
		return err
	}
	instances, err := dir.List()
	if err != nil {
		return err
	}
	if a.json() {
		rows := make([]listed, len(instances))
		for i, in := range instances {
			rows[i] = listed{in.Name, in.Port, in.Version, in.State, in.PID, in.Started,
				append([]string{}, in.Addresses...), in.ID}
		}
		return a.printJSON(rows)
	}
	if len(instances) == 0 {
		_, err := fmt.Fprintf(a.out, "No service is running. (Looked in %s)\n", dir.Path())
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPORT\tVERSION\tSTATE\tPID\tSINCE\tADDRESSES")
	for _, in := range instances {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", cell(in.Name), cell(in.Port), cell(cmp.Or(in.Version, "-")),
			cell(string(in.State)), in.PID, in.Started.Local().Format(time.DateTime),
			cell(cmp.Or(strings.Join(in.Addresses, " "), "-")))
	}
	return w.Flush()
}
