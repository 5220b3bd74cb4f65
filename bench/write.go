package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"hotline/bench/peer"
	"hotline/bench/report"
)

// The files in the directory of the results, beside the charts.
const (
	resultsName  = "results.csv"
	reportName   = "report.md"
	commandsName = "commands.txt" // a line for each run that the results come from
)

// writeReport makes the report and the charts of the results in dir, and puts both into the document doc if there is one.
func writeReport(dir, doc string) error {
	results, err := readResults(dir)
	if err != nil {
		return err
	}
	commands, err := os.ReadFile(filepath.Join(dir, commandsName))
	if err != nil {
		return err
	}
	text, err := reportText(string(commands), results)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, reportName)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "wrote", path)
	if err := drawCharts(dir, results); err != nil || doc == "" {
		return err
	}
	if err := fill(doc, text); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "wrote", doc)
	return drawCharts(filepath.Dir(doc), results)
}

func readResults(dir string) (*report.Results, error) {
	f, err := os.Open(filepath.Join(dir, resultsName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := report.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return report.Collect(rows), nil
}

func reportText(commands string, results *report.Results) ([]byte, error) {
	kinds := make(map[string]peer.Kind)
	for _, p := range peer.All() {
		kinds[p.Name] = p.Kind
	}
	var b bytes.Buffer
	header(&b, commands, results)
	b.WriteString("## Goals\n\n")
	if err := report.Goals(&b, results, kinds); err != nil {
		return nil, err
	}
	b.WriteString("\n## Results\n\n")
	err := report.Markdown(&b, results)
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n'), err
}

func drawCharts(dir string, results *report.Results) error {
	for _, c := range report.Charts() {
		path := filepath.Join(dir, c.File)
		drawn, err := report.Draw(path, c, results)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if drawn {
			fmt.Fprintln(os.Stderr, "wrote", path)
		}
	}
	return nil
}

// The lines of a document between which the report is.
const (
	docBegin = "<!-- results: written by go run . -doc -->\n"
	docEnd   = "<!-- end of results -->\n"
)

// fill replaces the report in the document at path.
func fill(path string, text []byte) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begins := bytes.Cut(old, []byte(docBegin))
	_, after, ends := bytes.Cut(rest, []byte(docEnd))
	if !begins || !ends {
		return fmt.Errorf("%s has not the lines %q and %q, between which the report goes", path, docBegin, docEnd)
	}
	return os.WriteFile(path, slices.Concat(before, []byte(docBegin+"\n"), text, []byte("\n"+docEnd), after), 0o644)
}

// header writes where, when and with what it was measured.
func header(b *bytes.Buffer, commands string, results *report.Results) {
	var u unix.Utsname
	unix.Uname(&u)
	kernel := unix.ByteSliceToString(u.Release[:])
	fmt.Fprintf(b, "- machine: %s, %d CPUs for this process, Linux %s %s, %s\n", cpuModel(), runtime.NumCPU(), kernel, runtime.GOARCH, runtime.Version())
	for command := range strings.Lines(commands) {
		fmt.Fprintf(b, "- measured by %s", command)
	}
	if line, clock, rounds := results.Calibration(); rounds > 0 {
		fmt.Fprintf(b, "- calibration: a cache line there and back between two processes %.0f ns (%.0f to %.0f), a read of the clock %.0f ns; rounds: %d\n",
			line.Median, line.Min, line.Max, clock.Median, rounds)
	}
	b.WriteString("\n| peer | way | version | used |\n| --- | --- | --- | --- |\n")
	versions := moduleVersions()
	for _, p := range peer.All() {
		version := versions[p.Module]
		switch p.Module {
		case "":
			version = runtime.Version()
		case "hotline":
			version = "this tree"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", p.Name, p.Way, version, p.Note)
	}
	b.WriteString("\n")
}

// moduleVersions returns the versions of the modules that this program is made of.
func moduleVersions() map[string]string {
	versions := make(map[string]string)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			versions[m.Path] = m.Version
		}
	}
	return versions
}

// cpuModel returns what the processor calls itself.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
