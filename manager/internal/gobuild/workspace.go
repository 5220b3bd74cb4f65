package gobuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"hotline"
)

// goMod is a go.mod file, or a go.work, as far as it matters.
type goMod struct {
	Dir  string
	Path string
	Go   string

	use     []string // of a go.work: absolute directories
	replace []string // of a go.work: its lines, with absolute directories
}

// goMod reads the go.mod of the module that dir is in.
func (g *goTool) goMod(ctx context.Context, dir string) (*goMod, error) {
	home, err := g.mainModule(ctx, dir)
	if err != nil {
		return nil, err
	}
	out, err := g.run(ctx, home, "mod", "edit", "-json")
	if err != nil {
		return nil, err
	}
	var m struct {
		Module struct{ Path string }
		Go     string
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, fmt.Errorf("go mod edit: %w", err)
	}
	return &goMod{Dir: home, Path: m.Module.Path, Go: m.Go}, nil
}

// goWork reads the go.work that counts in dir; an empty one where there is none.
func (g *goTool) goWork(ctx context.Context, dir string) (*goMod, error) {
	out, err := g.run(ctx, dir, "env", "GOWORK")
	file := strings.TrimSpace(string(out))
	if err != nil || file == "" || file == "off" {
		return &goMod{}, err
	}
	if out, err = g.run(ctx, dir, "work", "edit", "-json"); err != nil {
		return nil, err
	}
	type module struct{ Path, Version string }
	var w struct {
		Go      string
		Use     []struct{ DiskPath string }
		Replace []struct{ Old, New module }
	}
	if err := json.Unmarshal(out, &w); err != nil {
		return nil, fmt.Errorf("go work edit: %w", err)
	}
	at := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(filepath.Dir(file), path)
	}
	m := &goMod{Dir: filepath.Dir(file), Go: w.Go}
	for _, u := range w.Use {
		m.use = append(m.use, at(u.DiskPath))
	}
	for _, r := range w.Replace {
		to := fmt.Sprintf("%q %s", r.New.Path, r.New.Version)
		if r.New.Version == "" {
			to = fmt.Sprintf("%q", at(r.New.Path))
		}
		m.replace = append(m.replace, fmt.Sprintf("replace %q %s => %s", r.Old.Path, r.Old.Version, to))
	}
	return m, nil
}

// workspace makes the modules of all sections, and that of hotline, one workspace with the main package in a module of
// its own: so they are built with what each of them requires, and their go.mod and go.sum stay as they are.
func (b *bundler) workspace(ctx context.Context, parts []*bundlePart) error {
	self := reflect.TypeFor[hotline.Server]().PkgPath()
	out, err := b.tool.run(ctx, parts[0].home, "list", "-m", "-f", "{{.Dir}}", self)
	if err != nil {
		return fmt.Errorf("find the module %s that the services use: %w", self, err)
	}
	work, err := b.tool.goWork(ctx, b.dir)
	if err != nil {
		return err
	}
	main := b.mainDir()
	uses, goes := append(work.use, main), work.Go
	if dir := strings.TrimSpace(string(out)); dir != "" { // else it is vendored
		module, err := b.tool.goMod(ctx, dir)
		if err != nil {
			return err
		}
		b.modules = append(b.modules, module)
	}
	for _, m := range b.modules {
		uses = append(uses, m.Dir)
		if version.Compare("go"+m.Go, "go"+goes) > 0 {
			goes = m.Go
		}
	}
	slices.Sort(uses)
	var text strings.Builder
	fmt.Fprintf(&text, "go %s\n", goes)
	for _, dir := range slices.Compact(uses) {
		fmt.Fprintf(&text, "use %q\n", dir)
	}
	for _, line := range work.replace {
		fmt.Fprintln(&text, line)
	}
	if err := b.writeMain(main, goes, parts); err != nil {
		return err
	}
	file := filepath.Join(b.work.path, "go.work")
	b.tool.env = append(b.tool.env, "GOWORK="+file)
	return os.WriteFile(file, []byte(text.String()), 0o600)
}

// writeMain writes the module of the main package, and the overlay by which it sees the parts.
func (b *bundler) writeMain(dir, goes string, parts []*bundlePart) error {
	text, err := generate(bundle, map[string]any{"Main": b.main, "Parts": parts})
	if err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": b.overlay})
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "main.go"), text, 0o600),
		os.WriteFile(filepath.Join(dir, "go.mod"), fmt.Appendf(nil, "module %s\n\ngo %s\n", bundleName, goes), 0o600),
		os.WriteFile(b.overlayFile(), overlay, 0o600),
	)
}
