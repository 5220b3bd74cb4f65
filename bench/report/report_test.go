package report

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"hotline/bench/load"
	"hotline/bench/peer"
)

func TestRows(t *testing.T) {
	want := []Row{
		{Scenario: Grid, Round: 2, Peer: "hotline shm", Way: "shm", Size: 16, Callers: 8, Line: 90.5, Clock: 27,
			Result: load.Result{Calls: 7, Seconds: 0.5, PerSec: 14, P50: 100, P90: 200, P99: 300, P999: 400, Max: 500, Timed: 6,
				Slowest: 0.5, Client: 1.5, Server: 2.5, Allocs: 1}},
		{Scenario: Heap, Peer: "x", Error: "no, \"really\"\nnot", Links: 5, Ticks: 6, KiB: 7.5, Files: 8, Quiet: 9},
	}
	path := filepath.Join(t.TempDir(), "r.csv")
	for i := range want { // the second one is added
		w, err := NewWriter(path, i > 0)
		if err == nil {
			err = w.Write(&want[i])
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(bytes.NewReader(text))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Read: got %+v, %v, want %+v", got, err, want)
	}
	if _, err := Read(strings.NewReader("a,b\n")); err == nil {
		t.Error("Read of another table: got no error")
	}
}

// rowsOf returns a row of the grid for each p50, in rounds.
func rowsOf(name string, size, callers int, p50s ...int64) []Row {
	var rows []Row
	for i, p := range p50s {
		rows = append(rows, Row{Scenario: Grid, Round: i + 1, Peer: name, Size: size, Callers: callers, Line: 100, Clock: 30,
			Result: load.Result{P50: p, P99: 2 * p, PerSec: 1e9 / float64(p), Slowest: 1, Allocs: 1}})
	}
	return rows
}

func TestMedian(t *testing.T) {
	rows := rowsOf("a", 16, 1, 30, 10, 20, 80)
	rows[3].Error = "failed"
	r := Collect(rows)
	if f, ok := r.Of(at("a", 16, 1), p50); !ok || f != (Figure{20, 10, 30}) || f.Spread() != 0.5 {
		t.Errorf("the median of three: got %v, %v", f, ok)
	}
	rows[3].Error = ""
	if f, ok := Collect(rows).Of(at("a", 16, 1), p50); !ok || f.Median != 25 {
		t.Errorf("the median of four: got %v, %v", f, ok)
	}
	if f, ok := r.Of(at("b", 16, 1), p50); ok {
		t.Errorf("a cell that is not there: got %v", f)
	}
}

func TestGoals(t *testing.T) {
	rows := rowsOf(shm, 16, 1, 230)                     // (230-30)/100 = 2 round trips
	rows = append(rows, rowsOf(shm, 1<<20, 1, 3000)...) // half as quick as the best peer
	rows = append(rows, rowsOf("kitex", 1<<20, 1, 2000)...)
	rows = append(rows, rowsOf("shmipc", 1<<20, 1, 1500)...)
	rows = append(rows, rowsOf(unix, 1<<20, 1, 4000)...)
	rows = append(rows, rowsOf(shm, 16, 8, 330)...) // 3.3 round trips for a call of all
	kinds := map[string]peer.Kind{shm: peer.Hotline, unix: peer.Hotline, "kitex": peer.Library, "shmipc": peer.Memory}
	var b bytes.Buffer
	if err := Goals(&b, Collect(rows), kinds); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| at most 2.50 | 2.00 | met |",
		"| at most 2.20 | 3.30 | **missed** by 50.0% |",
		"| at most 1.00 | 2.00 | **missed** by 100%; shmipc |",
		"| at most 0.00 | 1.00 | **missed** by 1.00; 1 MiB/1: kitex ×2.00 |",
		"| 2 | `Sum` by msgpack: median, in round trips | at most 8.00 | not measured |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestMarkdown(t *testing.T) {
	rows := append(rowsOf(shm, 1<<10, 64, 230, 250), rowsOf("gRPC", 1<<10, 64, 99_500)...)
	rows = append(rows, Row{Scenario: Grid, Peer: "drpc", Size: 1 << 10, Callers: 64, Error: "no\nroute | here"})
	var b bytes.Buffer
	if err := Markdown(&b, Collect(rows)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"### 1 KiB, 64 callers", "| hotline shm | 4.17 M | 4% | 240 ns | 4% |", "| gRPC | 10.1 k | 0% | 99.5 µs |",
		"| drpc | failed: no route / here |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
