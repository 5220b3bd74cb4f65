package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"hotline/registry"
)

// completeWait bounds what the shell waits for a service's methods.
const completeWait = 2 * time.Second

// complete offers the names of the running services for the first word after a command, and the service's methods
// for the second one of call and bench.
func (a *app) complete(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	calls := cmd.Name() == "call" || cmd.Name() == "bench"
	switch {
	case len(args) == 0:
		return a.completeServices(), cobra.ShellCompDirectiveNoFileComp
	case len(args) == 1 && calls:
		address, _ := cmd.Flags().GetString("address")
		return a.completeMethods(cmd.Context(), args[0], address), cobra.ShellCompDirectiveNoFileComp
	case calls:
		return nil, cobra.ShellCompDirectiveDefault // files, for @
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeServices() []cobra.Completion {
	dir, err := registry.Open(a.dir)
	if err != nil {
		return nil
	}
	instances, err := dir.List()
	if err != nil {
		return nil
	}
	var words []cobra.Completion
	for _, i := range instances {
		about := fmt.Sprintf("port %s, version %s", i.Port, cmp.Or(i.Version, "0"))
		words = append(words, cobra.CompletionWithDesc(cell(i.Name), cell(about)))
	}
	slices.Sort(words)
	return slices.Compact(words) // a service has an instance for each worker
}

// completeINI offers files for the only word after a command.
func completeINI(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []cobra.Completion{"ini"}, cobra.ShellCompDirectiveFilterFileExt
}

func (a *app) completeMethods(ctx context.Context, target, address string) []cobra.Completion {
	ctx, cancel := context.WithTimeout(ctx, completeWait)
	defer cancel()
	c, err := a.dial(ctx, target, &reach{address: address})
	if err != nil {
		return nil
	}
	defer c.Close()
	var words []cobra.Completion
	for _, m := range c.Service().Methods {
		words = append(words, cobra.CompletionWithDesc(cell(m.Name), cell(m.Signature)))
	}
	return words
}
