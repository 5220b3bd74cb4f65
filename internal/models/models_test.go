package models

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	mistakes = flag.Bool("mistakes", false, "check that each mistake in the models is found, instead of the models, which takes a minute")
	large    = flag.Bool("large", false, "check larger configurations too, which takes minutes and gigabytes")
)

// config is one way to check a model.
type config struct {
	name   string
	define string   // macros, separated by spaces
	finds  []string // macros that are mistakes: with each of them the check must fail
	large  bool
}

func TestHybridLock(t *testing.T) {
	check(t, "hybridlock.pml", []config{
		{"no wake-up is lost", "N=3 ROUNDS=2", []string{"M_NO_PASS", "M_FORGET", "M_NO_FLAG", "M_SLEEP_BLIND", "M_WAKE_FIRST", "M_DOUBT"}, false},
		{"everybody hears of Destroy", "N=3 DESTROY LIMITED=0", []string{"M_DESTROY_ONE"}, false},
		{"an owner dies", "N=3 STEPS KILLS=1", []string{"M_BLIND_TAKE", "M_NO_CHECK", "M_DOUBT"}, false},
		{"two owners die", "N=3 ROUNDS=2 STEPS KILLS=2 LIMITED=0", nil, true},
		{"all may give up, and one is destroyed", "N=3 DESTROY LIMITED=3", nil, true},
		{"one takes it four times", "N=3 ROUNDS=4", nil, true},
	})
}

func TestDoorbell(t *testing.T) {
	finds := []string{"M_LOOK_FIRST", "M_RING_FIRST", "M_NO_RING", "M_RING_ONCE", "M_NO_LOOK", "M_NO_ROOM", "M_ROOM_FIRST"}
	check(t, "doorbell.pml", []config{
		{"room for one", "FRAMES=4 ROOM=1", finds, false},
		{"room for two", "FRAMES=5 ROOM=2", finds[:len(finds)-1], false},
		{"many frames", "FRAMES=40 ROOM=3", nil, true},
	})
}

func check(t *testing.T, model string, configs []config) {
	for _, tool := range []string{"spin", "cc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool, "is not here:", err)
		}
	}
	for _, c := range configs {
		if c.large && !*large {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			macros := strings.Fields(c.define)
			if !*mistakes {
				if errors, report := verify(t, model, macros); errors {
					t.Errorf("%s with %s is wrong:\n%s", model, c.define, report)
				}
				return
			}
			for _, mistake := range c.finds {
				if errors, report := verify(t, model, append(macros[:len(macros):len(macros)], mistake)); !errors {
					t.Errorf("%s with %s: the mistake %s is not found:\n%s", model, c.define, mistake, report)
				}
			}
		})
	}
}

var verdict = regexp.MustCompile(`errors: (\d+)\n`)

// verify tries every interleaving of a model, and reports whether there was an error: an assertion that fails, or a deadlock.
func verify(t *testing.T, model string, macros []string) (errors bool, report string) {
	t.Helper()
	path, err := filepath.Abs(model)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	args, compile := []string{"-a"}, []string{"-O0", "-w", "-DSAFETY", "-DVECTORSZ=2048", "-o", "pan", "pan.c"}
	pan := []string{"-m1000000", "-w22"}
	for _, macro := range macros {
		args = append(args, "-D"+macro)
		if macro == "STEPS" {
			// Who may die at any moment takes part in no reduction of the interleavings, and may end anywhere.
			compile = append(compile, "-DNOREDUCE")
			pan = append(pan, "-E")
		}
	}
	run("spin", append(args, path)...)
	run("cc", compile...)
	report = run(filepath.Join(dir, "pan"), pan...)
	found := verdict.FindStringSubmatch(report)
	if found == nil || strings.Contains(report, "max search depth too small") {
		t.Fatalf("%s %v: no verdict:\n%s", model, macros, report)
	}
	_ = os.Remove(filepath.Join(dir, "pan"))
	return found[1] != "0", report
}
