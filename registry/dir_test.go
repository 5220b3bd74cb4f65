package registry_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hotline/internal/filelock"
	"hotline/registry"
)

func TestForeignFilesAreSkippedAndKept(t *testing.T) {
	d := open(t)
	e := register(t, d, "echo_serv", "5555", "1")
	id := e.Instance().ID
	foreign := map[string]string{
		"notes.txt":                        "mine",
		"5555-.json":                       "{}",
		"5555-abcdefgh.echo_serv.lock":     "no major",
		"5555-abcdefgh.echo@x.lock":        "",
		"0-abcdefgh.echo@1.lock":           "",
		"5555-abcdefg1.echo@1.lock":        "1 is not in the alphabet",
		"5555-abcdefgh.unix":               "a file, no socket",
		"5555-abcdefgh.shm.old":            "",
		strings.Repeat("x", 200) + ".json": "",
	}
	for name, text := range foreign {
		if err := os.WriteFile(filepath.Join(d.Path(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(d.Path(), "5555-bcdefgha.echo@1.lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("notes.txt", filepath.Join(d.Path(), "5555-cdefghab.other@1.lock")); err != nil {
		t.Log("no symlinks here:", err)
	}
	before := files(t, d)
	if got := lookup(t, d, "5555"); len(got) != 1 {
		t.Errorf("Lookup: got %s", keys(got))
	}
	register(t, d, "echo_serv", "5555", "1").Close()
	if n, err := d.Sweep(); n != 0 || err != nil {
		t.Errorf("Sweep: got %d, %v", n, err)
	}
	if after := files(t, d); !slices.Equal(before, after) {
		t.Errorf("before: %q\nafter:  %q", before, after)
	}
	// A dead one of the right names is removed, whatever is in it.
	for _, name := range []string{"5555-defghabc.echo@1.lock", "5555-defghabc.json", "5555-defghabc.json.tmp", "77-efghabcd.json"} {
		if err := os.WriteFile(filepath.Join(d.Path(), name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := d.Sweep(); n != 1 || err != nil {
		t.Errorf("Sweep: got %d, %v, want 1", n, err)
	}
	if after := files(t, d); !slices.Equal(before, after) {
		t.Errorf("before: %q\nafter:  %q", before, after)
	}
	if !slices.Contains(before, "5555-"+id+".json") {
		t.Errorf("the living entry is not among %q", before)
	}
}

func TestMalformedEntryOfALivingOne(t *testing.T) {
	d := open(t)
	e := register(t, d, "echo_serv", "5555", "1")
	path := filepath.Join(d.Path(), "5555-"+e.Instance().ID+".json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "{", "null", "[]", "{}", `"x"`, strings.Repeat("[", 70_000), string(good[:len(good)-5]),
		strings.Replace(string(good), "echo_serv", "another", 1), strings.Replace(string(good), "5555", "5556", 1),
		strings.Replace(string(good), `"pid":`, `"pid":"x`, 1), strings.Repeat(" ", 64<<10) + string(good),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := lookup(t, d, "5555"); len(got) != 0 {
			t.Errorf("with %.40q: got %+v", text, got)
		}
		// Its claim stands all the same.
		if _, err := d.Register(registry.Instance{Name: "other", Port: "5555"}); err == nil ||
			!strings.Contains(err.Error(), "port 5555 is held by echo_serv@1") {
			t.Errorf("with %.40q: Register got %v", text, err)
		}
	}
	if _, err := d.Sweep(); err != nil {
		t.Fatal(err)
	}
	if err := e.Update(registry.Ready, nil); err != nil {
		t.Fatal(err)
	}
	if got := lookup(t, d, "5555"); len(got) != 1 {
		t.Errorf("after Update: got %s", keys(got))
	}
}

// The original's registry broke at 2,418 entries.
func TestThreeThousandEntries(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 300
	}
	d := open(t)
	fill(t, d, n-2)
	register(t, d, "first", "30001", "1")
	register(t, d, "last", "30002", "1")
	all, err := d.List()
	if err != nil || len(all) != n {
		t.Fatalf("List: got %d, %v, want %d", len(all), err, n)
	}
	for _, key := range []string{"1", "297", "30002", "service123", "service1@1", "first"} {
		if got := lookup(t, d, key); len(got) != 1 {
			t.Errorf("Lookup(%s): got %s", key, keys(got))
		}
	}
	if _, err := d.Register(registry.Instance{Name: "other", Port: "171"}); err == nil {
		t.Error("Register on a port that is held: got no error")
	}
	if swept, err := d.Sweep(); swept != 0 || err != nil {
		t.Errorf("Sweep: got %d, %v", swept, err)
	}
}

func BenchmarkLookupAmong3000(b *testing.B) {
	d := open(b)
	fill(b, d, 3000)
	for b.Loop() {
		if all, err := d.Lookup("1234"); err != nil || len(all) != 1 {
			b.Fatal(len(all), err)
		}
	}
}

// fill makes n living entries, ports and services 1 to n, as n registrations would; those would each read the
// whole directory.
func fill(t testing.TB, d *registry.Dir, n int) {
	t.Helper()
	for i := range n {
		id := []byte("aaaaaaaa")
		for at, rest := 7, i; rest > 0; at, rest = at-1, rest/26 {
			id[at] = byte('a' + rest%26)
		}
		stem := fmt.Sprintf("%s/%d-%s", d.Path(), i+1, id)
		text := fmt.Sprintf(`{"id":%q,"name":"service%d","port":"%d","version":"1.0","state":"ready"}`, id, i+1, i+1)
		if err := os.WriteFile(stem+".json", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(fmt.Sprintf("%s.service%d@1.lock", stem, i+1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if ok, err := filelock.TryLock(f); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
}
