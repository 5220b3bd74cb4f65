package examples_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestStream follows a file while others write to it.
func TestStream(t *testing.T) {
	p := newPlace(t)
	dir := t.TempDir()
	s := p.serve(t, 1, "stream/server", "-dir", dir)

	if _, errs, err := p.run(t, "", "stream/client", "follow", "app.log"); err == nil || !strings.Contains(errs, "no such file") && runtime.GOOS != "windows" ||
		!strings.Contains(errs, "client append app.log") {
		t.Errorf("following a file that is not there: got %q, %v", errs, err)
	}
	if _, errs, err := p.run(t, "", "stream/client", "fetch", "../secret"); err == nil || !strings.Contains(errs, "escapes") {
		t.Errorf("fetching a file from elsewhere: got %q, %v", errs, err)
	}
	if out, errs, err := p.run(t, "one\ntwo\n", "stream/client", "append", "app.log"); out != "2 lines\n" || err != nil {
		t.Errorf("append: got %q, %q, %v", out, errs, err)
	}

	follower := p.start(t, "stream/client", "follow", "app.log")
	follower.await(t, func() bool { return follower.output.String() == "one\ntwo\n" })
	if out, errs, err := p.run(t, "three\n", "stream/client", "append", "app.log"); out != "1 lines\n" || err != nil {
		t.Errorf("append: got %q, %q, %v", out, errs, err)
	}
	follower.await(t, func() bool { return follower.output.String() == "one\ntwo\nthree\n" })
	follower.stop(t)

	large := strings.Repeat("a line of some length\n", 100_000)
	if err := os.WriteFile(filepath.Join(dir, "large.log"), []byte(large), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, err := p.run(t, "", "stream/client", "fetch", "large.log"); out != large || err != nil {
		t.Errorf("fetch: got %d bytes, want %d; %q, %v", len(out), len(large), errs, err)
	}
	s.stop(t)
}
