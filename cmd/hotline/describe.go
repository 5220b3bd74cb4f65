package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hotline"
	"hotline/internal/logs"
)

// described is a service as describe prints it for scripts.
type described struct {
	Name    string            `json:"name"`
	Port    string            `json:"port"`
	Version string            `json:"version"`
	Address string            `json:"address"`
	Methods []describedMethod `json:"methods"`
}

type describedMethod struct {
	Name      string `json:"name"`
	Codec     string `json:"codec"`
	Signature string `json:"signature"`
	Doc       string `json:"doc,omitempty"`
	Arguments string `json:"arguments"` // shapes
	Results   string `json:"results"`
}

func (a *app) describeCommand() *cobra.Command {
	var r reach
	cmd := &cobra.Command{
		Use:               "describe NAME|PORT",
		Short:             "Show the methods of a running service",
		Example:           "  hotline describe echo_serv\n  hotline describe 5555 --address tcp://10.0.0.7",
		Args:              operands(1, 1),
		ValidArgsFunction: a.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.check(); err != nil {
				return err
			}
			ctx, cancel := r.context(cmd.Context())
			defer cancel()
			return a.describe(ctx, args[0], &r)
		},
	}
	r.flags(cmd)
	return cmd
}

func (a *app) describe(ctx context.Context, target string, r *reach) error {
	c, err := a.dial(ctx, target, r)
	if err != nil {
		return err
	}
	defer c.Close()
	s := c.Service()
	if a.json() {
		d := described{s.Name, s.Port, s.Version, s.Address, []describedMethod{}}
		for _, m := range s.Methods {
			d.Methods = append(d.Methods, describedMethod{m.Name, m.Codec, m.Signature, m.Doc, m.Arguments, m.Results})
		}
		return a.printJSON(d)
	}
	fmt.Fprintf(a.out, "%s, version %s, port %s, at %s\n\n",
		logs.Clean(s.Name), logs.Clean(cmp.Or(s.Version, "0")), logs.Clean(s.Port), logs.Clean(s.Address))
	return a.printMethods(s.Methods)
}

// printMethods writes a table of methods, each with its doc comment below.
func (a *app) printMethods(methods []hotline.MethodInfo) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, m := range methods {
		fmt.Fprintf(w, "  %s\t%s\n", cell(m.Codec), cell(m.Signature))
		for line := range strings.Lines(strings.TrimSpace(m.Doc)) {
			fmt.Fprintf(w, "  \t    %s\n", cell(strings.TrimRight(line, "\n")))
		}
	}
	return w.Flush()
}

// cell returns text that came from a peer for one cell of a table.
func cell(text string) string {
	return logs.Clean(strings.NewReplacer("\t", "    ", "\n", " ", "\v", " ", "\f", " ").Replace(text))
}
