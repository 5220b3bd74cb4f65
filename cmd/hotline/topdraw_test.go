package main

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hotline/manager"
	"hotline/monitor"
)

// looks returns two looks at some sections, two seconds apart, between which much has happened.
func looks() (before, now *monitor.Figures) {
	section := func(name string, workers ...monitor.Worker) monitor.Section {
		return monitor.Section{Name: name, State: workers[0].State, Workers: workers}
	}
	figures := func(n int, calls, errors uint64, cpu time.Duration, times monitor.Histogram) monitor.WorkerFigures {
		return monitor.WorkerFigures{Number: n, PID: 100 + n, CPU: cpu, Memory: int64(n) * 50 << 20,
			Methods: []monitor.MethodFigures{{Service: "s", Method: "Sum", Calls: calls, Errors: errors, Times: times}}}
	}
	took := func(calls map[time.Duration]uint64) monitor.Histogram {
		h := manager.Histogram{Counts: make([]uint64, manager.Buckets)}
		for i := range h.Counts {
			h.Counts[i] = calls[manager.Bound(i)]
		}
		return monitor.Histogram{Histogram: h}
	}
	echo := section("Echo", monitor.Worker{Number: 1, State: manager.Ready, PID: 101}, monitor.Worker{Number: 2, State: manager.Ready, PID: 102})
	crashing := section("ACrashingServerOfALongName", monitor.Worker{Number: 1, State: manager.Waiting})
	slow := section("Slow", monitor.Worker{Number: 3, State: manager.Starting, PID: 103}, monitor.Worker{Number: 4, State: manager.Stopping, PID: 104})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	before = &monitor.Figures{Time: at, Sections: []monitor.SectionFigures{
		{Section: echo, Figures: []monitor.WorkerFigures{
			figures(1, 1000, 10, time.Second, took(map[time.Duration]uint64{1024: 1000})), figures(2, 5, 0, time.Second, took(nil))}},
	}}
	one := figures(1, 2_001_000, 12, 3*time.Second, took(map[time.Duration]uint64{1024: 1_501_000, 12 << 10: 490_000, 80 << 20: 10_000}))
	one.Methods[0].Running, one.Running = 3, []monitor.RunningCall{{Service: "s", Method: "Sum", Age: 12300 * time.Millisecond}}
	two := figures(2, 7, 0, time.Second+10*time.Millisecond, took(map[time.Duration]uint64{math.MaxInt64: 2}))
	two.Methods[0].Running = 1
	two.Running = []monitor.RunningCall{{Service: "s", Method: "AMethodWhoseNameIsVeryLongIndeed\x1b[31m", Age: 26*time.Hour + 5*time.Minute}}
	now = &monitor.Figures{Time: at.Add(2 * time.Second), Sections: []monitor.SectionFigures{
		{Section: echo, Figures: []monitor.WorkerFigures{one, two}},
		{Section: crashing},
		{Section: slow, Figures: []monitor.WorkerFigures{{Number: 3, PID: 103, Unread: "no board"}, figures(4, 4, 4, 0, took(nil))}},
	}}
	return before, now
}

func TestNewTop(t *testing.T) {
	v := newTop(looks())
	echo := v.Sections[0]
	if v.Seconds != 2 || len(v.Sections) != 3 || len(echo.Workers) != 2 {
		t.Fatalf("got %+v", v)
	}
	if echo.Calls != 1_000_001 || echo.Errors != 1 || echo.InFlight != 4 || echo.Memory != 150<<20 || echo.P50 < 896 || echo.P50 > 1024 ||
		echo.P99 < 10<<10 || echo.P99 > 12<<10 || echo.OldestAge != 26*time.Hour+5*time.Minute || math.Abs(echo.CPU-1.005) > 1e-9 {
		t.Errorf("the section: got %+v", echo)
	}
	if w := echo.Workers[0]; w.Calls != 1e6 || w.P50 != echo.P50 || w.Oldest != "Sum" || w.CPU != 1 {
		t.Errorf("worker 1: got %+v", w)
	}
	if w := v.Sections[2].Workers; !w[0].Unread || w[1].Unread || w[1].Errors != 2 {
		t.Errorf("workers 3 and 4: got %+v", w)
	}
}

const wantTop = `hotline top 03:04:07  3 sections, 2/5 workers ready  1.0M calls/s, 3 errors/s

NAME         STATE    CALLS/S   P50   P99 ERR/S OPEN CPU%   MEM OLDEST CALL
Echo         ready       1.0M 981ns  12µs     1    4  100  150M 1d2h AMethodWhoseNameIsVeryLongIndeed�[31m
  #1         ready       1.0M 981ns  12µs     1    3  100   50M 12s Sum
  #2         ready          1 4m35s 4m35s     0    1    0  100M 1d2h AMethodWhoseNameIsVeryLongIndeed�[31m
ACrashingSe… waiting        0     -     -     0    0    0    0B
  #1         waiting        0     -     -     0    0    0    0B
Slow         starting       2     -     -     2    0    0  200M
  #3         starting       ?     ?     ?     ?    ?    ?     ?
  #4         stopping       2     -     -     2    0    0  200M`

func TestDrawTop(t *testing.T) {
	v := newTop(looks())
	got, _ := v.draw(screenSize{width: roomyWidth}, false, "", 0)
	if wantTop := fitAll(wantTop, roomyWidth); got != wantTop {
		t.Errorf("on a screen: got\n%s\nwant\n%s", got, wantTop)
	}
	for width, want := range map[int]string{
		20: "\nACrashingSe… waitin…\n", 80: "\nACrashingSe… waiting  ", 120: "\nACrashingServerOfALon… waiting  ", 200: "\nACrashingServerOfALongName waiting  ",
	} {
		if got, _ := v.draw(screenSize{width: width}, false, "", 0); !strings.Contains(got, want) {
			t.Errorf("on a screen of %d: got\n%s\nwant %q", width, got, want)
		}
	}
	for width := range 130 {
		for height := 1; height < 14; height++ {
			got, skip := v.draw(screenSize{width, height}, false, "trouble", 99)
			lines := strings.Split(got, "\n")
			if len(lines) > height || skip < 0 || skip > 8 {
				t.Fatalf("%dx%d: got %d lines, scrolled by %d", width, height, len(lines), skip)
			}
			for _, line := range lines {
				if utf8.RuneCountInString(line) > width {
					t.Fatalf("%dx%d: %q is too wide", width, height, line)
				}
			}
		}
	}
	got, _ = v.draw(screenSize{80, 8}, false, "no manager runs", 2)
	want := "no manager runs\n" + strings.Split(wantTop, "\n")[2] + "\n" + strings.Join(strings.Split(wantTop, "\n")[5:9], "\n") +
		"\n  2 lines above, 2 below: j and k, or the arrow keys"
	if fitted := fitAll(want, 80); !strings.HasSuffix(got, fitted) {
		t.Errorf("scrolled by 2 on 80x8: got\n%s\nwant\n%s", got, fitted)
	}
	coloured, _ := v.draw(screenSize{100, 30}, true, "", 0)
	for _, want := range []string{bold + "Echo ", red + "  #1         waiting", yellow + "  #3 ", reverse + "NAME "} {
		if !strings.Contains(coloured, want) {
			t.Errorf("in colours: no %q in %q", want, coloured)
		}
	}
}

func fitAll(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = fit(lines[i], width)
	}
	return strings.Join(lines, "\n")
}

func TestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 999: "999ns", 1024: "1.0µs", 12345: "12µs", 80 * time.Millisecond: "80ms", 1500 * time.Millisecond: "1.5s", 59 * time.Second: "59s",
		999_499: "999µs", 999_500: "1.0ms", 999_600 * time.Microsecond: "1.0s", 59_700 * time.Millisecond: "1m0s", 3_599_700 * time.Millisecond: "1h0m",
		61 * time.Second: "1m1s", 3*time.Hour + 2*time.Minute: "3h2m", 53 * time.Hour: "2d5h",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%d): got %s, want %s", d, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.25: "0.2", 7: "7", 999: "999", 1000: "1.0k", 12345: "12.3k", 123456: "123k", 1e6: "1.0M", 5e9: "5.0G", 1e15: "1000T"} {
		if got := amount(v); got != want {
			t.Errorf("amount(%v): got %s, want %s", v, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0B", 1023: "1023B", 1024: "1.0K", 10 << 20: "10M", 3 << 30: "3.0G", 5 << 40: "5.0T"} {
		if got := memory(n); got != want {
			t.Errorf("memory(%d): got %s, want %s", n, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	got := fmt.Sprint(keysOf([]byte("qxkj\x1b[A\x1bOB\x03\x04\x1b")))
	want := fmt.Sprint([]key{keyQuit, keyOther, keyUp, keyDown, keyUp, keyDown, keyQuit, keyQuit, keyOther})
	if got != want {
		t.Errorf("keysOf: got %s, want %s", got, want)
	}
}
