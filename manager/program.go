package manager

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"hotline/manager/internal/each"
	"hotline/manager/internal/gobuild"
)

// program is a program on the disk.
type program struct {
	path string
	sum  string // of its bytes: two programs with the same are the same
	own  bool   // it was built by the manager, in a directory of its own, which is removed with it
	open bool   // other users may run it, who else may not look into the manager's directories
}

// remove removes the program, where that is the manager's own.
func (p *program) remove() {
	if p.own {
		os.RemoveAll(filepath.Dir(p.path)) // what stays goes with the work directory
	}
}

// buildAll builds the programs of all sections, side by side, and returns them in the order of the sections.
// All errors are reported together, and nothing is left then.
func (m *Manager) buildAll(ctx context.Context, services []*Service) ([]*program, error) {
	all := make([]*program, len(services))
	err := each.AtOnce(ctx, len(services), func(i int) (err error) {
		if all[i], err = m.build(ctx, services[i]); err != nil {
			return services[i].locate(err)
		}
		return nil
	})
	if err == nil {
		return all, nil
	}
	for _, p := range all {
		if p != nil {
			p.remove()
		}
	}
	return nil, err
}

// build builds the program of one section, or finds the one that is built already.
func (m *Manager) build(ctx context.Context, s *Service) (*program, error) {
	p := &program{path: s.Binary}
	if s.Binary == "" {
		path, err := m.builder.Program(ctx, s.source())
		if err != nil {
			return nil, err
		}
		p = &program{path: path, own: true, open: s.runsAsOther()}
	}
	var err error
	if p.sum, err = sumOf(p.path); err != nil {
		p.remove()
		return nil, fmt.Errorf("read the program: %w", err)
	}
	return p, nil
}

// runsAsOther reports whether the section says as whom its workers run.
func (s *Service) runsAsOther() bool { return s.Limits.User != "" || s.Limits.Group != "" }

// source returns what the section's program is built from.
func (s *Service) source() *gobuild.Service {
	return &gobuild.Service{Section: s.Section, ImportFrom: s.ImportFrom, Written: s.values["import_from"].value, Type: s.Type,
		Open: s.runsAsOther(), At: s.locate}
}

// sumOf returns what tells a program from others: a hash of its bytes, or of what is known of a file that may be run and not
// be read.
func sumOf(path string) (string, error) {
	h := sha256.New()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		fmt.Fprint(h, path, info.Size(), info.ModTime().UnixNano())
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
