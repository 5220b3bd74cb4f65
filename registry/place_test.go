package registry_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"hotline/registry"
)

func TestWhichDirectory(t *testing.T) {
	short, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	tests := []struct{ path, hotlineDir, runtimeDir, want string }{
		{short + "/own", short + "/env", short, short + "/own"},
		{"", short + "/env/deep", short, short + "/env/deep"},
		{"", "", short, short + "/hotline"},
	}
	for _, test := range tests {
		t.Setenv("HOTLINE_DIR", test.hotlineDir)
		t.Setenv("XDG_RUNTIME_DIR", test.runtimeDir)
		if path, err := registry.Path(test.path); err != nil || path != filepath.FromSlash(test.want) {
			t.Errorf("Path(%q): got %s, %v, want %s", test.path, path, err, test.want)
		}
		d, err := registry.Open(test.path)
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		if d.Path() != filepath.FromSlash(test.want) {
			t.Errorf("%+v: got %s", test, d.Path())
		}
		info, err := os.Stat(d.Path())
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
			t.Errorf("%+v: got mode %v, %v", test, info.Mode(), err)
		}
	}
	t.Setenv("HOTLINE_DIR", "")
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", short)
	t.Setenv("TMP", short)
	d, err := registry.Open("")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(d.Path()) != short || !strings.HasPrefix(filepath.Base(d.Path()), "hotline") {
		t.Errorf("without any variable: got %s, want one in %s", d.Path(), short)
	}
}

func TestDirectoryRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and owners are Unix")
	}
	base := t.TempDir()
	make := func(name string, mode os.FileMode) string {
		path := filepath.Join(base, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link, file := filepath.Join(base, "link"), filepath.Join(base, "file")
	if err := os.Symlink(make("target", 0o700), link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ hotlineDir, runtimeDir, want string }{
		{link, "", "symlink"},
		{file, "", "no directory"},
		{filepath.Join(file, "x"), "", "HOTLINE_DIR"},
		{make("group", 0o770), "", "chmod 700"},
		{make("others", 0o707), "", "chmod 700"},
		{make("sticky", 0o777|os.ModeSticky), "", "chmod 700"},
		{"", filepath.Join(base, "none"), "unset it"},
		{"", file, "no directory"},
	}
	if os.Geteuid() == 0 {
		foreign, foreignRuntime := make("foreign", 0o755), make("runtime", 0o755)
		for _, path := range []string{foreign, foreignRuntime} {
			if err := os.Chown(path, 12345, -1); err != nil {
				t.Fatal(err)
			}
		}
		tests = append(tests, []struct{ hotlineDir, runtimeDir, want string }{
			{foreign, "", "belongs to user 12345 and you are 0: set HOTLINE_DIR"},
			{"", foreignRuntime, "belongs to user 12345"},
		}...)
	}
	for _, test := range tests {
		t.Setenv("HOTLINE_DIR", test.hotlineDir)
		t.Setenv("XDG_RUNTIME_DIR", test.runtimeDir)
		if _, err := registry.Open(""); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v", test, err)
		}
	}
}

func TestTooLongForASocket(t *testing.T) {
	d, err := registry.Open(filepath.Join(t.TempDir(), strings.Repeat("d", 80)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Register(registry.Instance{Name: "a", Port: "5555"})
	if err == nil || !strings.Contains(err.Error(), "set HOTLINE_DIR to something shorter") {
		t.Errorf("got %v", err)
	}
}
