package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what processes take.
type usage struct {
	processes int
	pss, rss  int64 // bytes
	lookups   time.Duration
}

// usageOf reads the memory of a process from the kernel.
func usageOf(p *process) (usage, error) {
	name := fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid)
	text, err := os.ReadFile(name)
	if err != nil {
		return usage{}, err
	}
	u := usage{processes: 1, lookups: p.took}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // "Pss:  1234 kB"
		if len(fields) != 3 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "Pss:":
			u.pss = kib << 10
		case "Rss:":
			u.rss = kib << 10
		}
	}
	if u.pss == 0 || u.rss == 0 {
		return u, fmt.Errorf("%s has no Pss and Rss", name)
	}
	return u, nil
}

// total adds usages up.
func total(all []usage) usage {
	var sum usage
	for _, u := range all {
		sum.processes += u.processes
		sum.pss += u.pss
		sum.rss += u.rss
		sum.lookups += u.lookups
	}
	return sum
}

const row = "%-27s %9v %10v %11v %11v %8v\n"

func printHeader() {
	fmt.Printf(row, "", "processes", "PSS each", "PSS in all", "RSS in all", "a lookup")
}

// print writes a row of the table.
func (u usage) print(title string) {
	n := int64(u.processes)
	lookup := "-"
	if u.lookups > 0 {
		lookup = roundTo3(u.lookups / time.Duration(n)).String()
	}
	fmt.Printf(row, title, n, mebibytes(u.pss/n), mebibytes(u.pss), mebibytes(u.rss), lookup)
}

// roundTo3 rounds to three digits.
func roundTo3(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
