package gobuild

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// checkStatic says which libraries a program needs on the machine that runs it. Only ELF programs are looked into: on the
// other systems every program needs those of its system, and no more without cgo.
func (b *bundler) checkStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return nil // another system's
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("look into the program: %w", err)
	}
	if len(libraries) > 0 {
		b.say("note: the program is not static, since CGO_ENABLED is set: it needs %s where it runs", strings.Join(libraries, ", "))
	}
	return nil
}

// cgoWord adds to an error that a part doesn't compile which packages of it need cgo, if it is compiled without.
func (b *bundler) cgoWord(ctx context.Context, p *bundlePart, failed error) error {
	out, err := b.tool.run(ctx, p.home, "env", "CGO_ENABLED")
	if ctx.Err() != nil || err != nil || strings.TrimSpace(string(out)) != "0" {
		return failed
	}
	with := *b.tool
	with.env = append(slices.Clip(with.env), "CGO_ENABLED=1")
	out, err = with.run(ctx, p.home, "list", "-deps", "-e", "-overlay", b.overlayFile(), "-json=ImportPath,CgoFiles,Standard", p.ImportPath)
	if err != nil {
		return failed
	}
	var users []string
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if d.Decode(&l) != nil {
			break
		}
		if len(l.CgoFiles) > 0 && !l.Standard {
			users = append(users, l.ImportPath)
		}
	}
	if len(users) == 0 {
		return failed
	}
	return fmt.Errorf("%w\n%s cgo, which a static program can't have: set CGO_ENABLED=1 to build with the C compiler of this "+
		"machine; the program needs the C libraries then", failed, strings.Join(users, ", ")+plural(len(users), " uses", " use"))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
