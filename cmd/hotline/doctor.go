package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"hotline/internal/doctor"
	"hotline/internal/logs"
	"hotline/internal/plural"
)

const doctorHelp = `Look at this machine for what would keep services from running well, or at all:
the kernel, CPUs and their quota, limits, namespaces, the runtime directory, and
what is left of those that were killed. Each finding says what to do about it.

The exit code is 1 if there is an error among the findings.`

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		Short:   "Look for what would keep services from running well",
		Long:    doctorHelp,
		Example: "  hotline doctor\n  hotline doctor -o json",
		Args:    operands(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

func (a *app) doctor(ctx context.Context) error {
	findings := doctor.Look(ctx, a.dir).Findings()
	var err error
	if a.json() {
		err = a.printJSON(findings)
	} else {
		err = a.printFindings(findings)
	}
	if err == nil && doctor.Worst(findings) == doctor.Error {
		bad := 0
		for _, f := range findings {
			if f.Severity == doctor.Error {
				bad++
			}
		}
		err = fmt.Errorf("%s: see above", plural.Of(bad, "error"))
	}
	return err
}

func (a *app) printFindings(findings []doctor.Finding) error {
	for _, f := range findings {
		text := fmt.Sprintf("%-7s  %s: %s\n", f.Severity, f.Check, logs.Clean(strings.ReplaceAll(f.Found, "\n", " ")))
		if f.Mend != "" {
			text += fmt.Sprintf("%-7s    mend: %s\n", "", logs.Clean(f.Mend))
		}
		if _, err := fmt.Fprint(a.out, text); err != nil {
			return err
		}
	}
	return nil
}
