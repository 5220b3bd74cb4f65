package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"hotline/internal/logs"
)

const stacksHelp = `Print the stacks of all goroutines of a worker, as Go writes them when a program
panics. The worker goes on.

NAME is that of a section, or the name or port of a service, and WORKER a number
that status shows.`

func (a *app) stacksCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "stacks NAME/WORKER",
		Short:             "Print the goroutines of a worker",
		Long:              stacksHelp,
		Example:           "  hotline stacks Server/1",
		Args:              operands(1, 1),
		ValidArgsFunction: a.completeWorkers,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, worker, err := splitWorker(args[0])
			if err != nil {
				return err
			}
			return a.stacks(cmd.Context(), name, worker)
		},
	}
}

// splitWorker takes NAME/WORKER apart.
func splitWorker(word string) (name string, worker int, err error) {
	at := strings.LastIndexByte(word, '/')
	if at > 0 {
		worker, err = strconv.Atoi(word[at+1:])
	}
	if at <= 0 || err != nil || worker < 1 {
		return "", 0, usagef("%q is no worker: write NAME/WORKER, as in Server/1; status shows the numbers", word)
	}
	return word[:at], worker, nil
}

func (a *app) stacks(ctx context.Context, name string, worker int) error {
	c, err := a.manager()
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Stacks(ctx, name, worker)
	if err != nil {
		return a.noManager(err)
	}
	if a.json() {
		return a.printJSON(s)
	}
	_, err = fmt.Fprint(a.out, logs.Clean(s.Stacks))
	return err
}
