package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotline/bench/load"
	"hotline/bench/peer"
	"hotline/bench/report"
)

// programVariable makes the test binary the program itself, with the test's arguments.
const programVariable = "HOTLINE_BENCH_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		exit(playRole(role))
	}
	if os.Getenv(programVariable) != "" {
		os.Unsetenv(programVariable)
		main()
	}
	os.Exit(m.Run())
}

// patience bounds every test's waiting.
const patience = 2 * time.Minute

// Every peer echoes in two processes, with several callers, short and long messages.
func TestPeers(t *testing.T) {
	for _, p := range peer.All() {
		t.Run(strings.ReplaceAll(p.Name, "/", "-"), func(t *testing.T) {
			for _, size := range []int{16, 300 << 10} {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				c := &cell{scenario: report.Grid, job: load.Job{Size: size, Callers: 3, Calls: 4}}
				row, err := c.run(ctx, new(launcher), p)
				if err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				if row.Calls != 12 || row.Timed != 12 || row.P50 <= 0 || row.P50 > row.Max || row.Slowest != 1 {
					t.Errorf("%d bytes: got %+v, want 12 calls, 4 by each caller", size, row.Result)
				}
				if row.Client <= 0 || row.Server <= 0 {
					t.Errorf("%d bytes: CPU time %v ns and %v ns a call, want more than none", size, row.Client, row.Server)
				}
			}
		})
	}
}

// The program measures each scenario, and reports all of them with those that an earlier run left.
func TestScenarios(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"-scenario", "grid", "-size", "16", "-callers", "1", "-peers", "hotline shm", "-rounds", "2"},
		{"-add", "-scenario", strings.Join(scenarios[1:], ","), "-idle", "100ms", "-links", "30", "-rounds", "1"},
	} {
		args = append(args, "-out", dir, "-calls", "3", "-warm", "1ms", "-strict")
		if err := bench(t.Context(), args); err != nil {
			t.Fatalf("bench %q: %v", args, err)
		}
	}
	f, err := os.Open(filepath.Join(dir, resultsName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := report.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]int)
	for _, r := range rows {
		found[r.Scenario]++
		if r.Line <= 0 || r.Error != "" {
			t.Errorf("a row without a calibration, or with an error: %+v", r)
		}
	}
	for _, s := range scenarios {
		if found[s] == 0 && s != report.Quota { // which is not permitted everywhere
			t.Errorf("no row of the scenario %s in %v", s, found)
		}
	}
	if found[report.Grid] != 4 || found[report.Sum] != 3 || found[report.Idle] != 3 {
		t.Errorf("rows by scenario: got %v, want 4 of grid (two peers have the name), 3 of sum, 3 of idle", found)
	}
	text, err := os.ReadFile(filepath.Join(dir, reportName))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"calibration: a cache line", "## Goals", "| 1 | 16 bytes, one caller", "### 16 bytes, 1 caller", "### Idle links"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the report has no %q:\n%s", want, text)
		}
	}
	svg, err := os.ReadFile(filepath.Join(dir, "bench-1.svg"))
	if err != nil || !strings.Contains(string(svg), "</svg>") || !strings.Contains(string(svg), "hotline shm") {
		t.Errorf("the chart: %.200q, %v", svg, err)
	}
}

// An interrupt ends the program, which reports what it has, and leaves no process.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-out", dir, "-scenario", "sum", "-time", "20ms", "-warm", "1ms", "-rounds", "100000")
	cmd.Env = append(os.Environ(), programVariable+"=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(dir, resultsName)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(results)
		if strings.Count(string(text), "\n") > 4 {
			break
		}
		if time.Now().After(end) {
			cmd.Process.Kill()
			t.Fatalf("no results after %v: %s", patience, stderr.String())
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v\n%s", err, stderr.String())
	}
	if text, err := os.ReadFile(filepath.Join(dir, reportName)); err != nil || !strings.Contains(string(text), "by msgpack") {
		t.Errorf("the report after an interrupt: %.200q, %v", text, err)
	}
}

// The report goes between the marks of a document, whatever is there, and nowhere else.
func TestFill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	for _, old := range []string{"", "\nold\ntext\n"} {
		if err := os.WriteFile(path, []byte("a\n"+docBegin+old+docEnd+"z\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := fill(path, []byte("new\n")); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if want := "a\n" + docBegin + "\nnew\n\n" + docEnd + "z\n"; err != nil || string(got) != want {
			t.Errorf("fill over %q: got %q, %v, want %q", old, got, err, want)
		}
	}
	if err := os.WriteFile(path, []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fill(path, nil); err == nil {
		t.Error("fill of a document without marks: got no error")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range []string{"-size 0", "-callers x", "-rounds 0", "extra", "-time -1s", "-links 1"} {
		if o, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("parse(%s): got %+v, want an error", args, o)
		}
	}
	for _, args := range []string{"-scenario nothing", "-peers nobody"} {
		o, err := parse(strings.Fields(args))
		if err != nil {
			t.Fatal(err)
		}
		if cells, err := o.cells(); err == nil {
			t.Errorf("cells of %s: got %v, want an error", args, cells)
		}
	}
}

func TestQuickLeavesWhatIsSet(t *testing.T) {
	o, err := parse(strings.Fields("-rounds 3 -quick -out x"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "go run . -quick -rounds 3"; o.rounds != 3 || o.run != 100*time.Millisecond || o.command != want {
		t.Errorf("-quick -rounds 3: got %d rounds of %v by %q, want 3 of 100ms by %q", o.rounds, o.run, o.command, want)
	}
}

func TestCombine(t *testing.T) {
	got := combine([]load.Result{
		{Calls: 100, PerSec: 100, P50: 5, Client: 2, Server: 6, Allocs: 1},
		{Calls: 300, PerSec: 300, P50: 9, Client: 4, Server: 2, Allocs: 1},
	})
	if got.Calls != 400 || got.PerSec != 400 || got.P50 != 9 || got.Slowest != 1.0/3 || got.Client != 3.5 || got.Server != 1.5 {
		t.Errorf("combine: got %+v", got)
	}
}
