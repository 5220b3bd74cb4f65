package logs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	noteName = ".logs.json" // in the runtime directory
	maxNote  = 1 << 20      // bytes of it that are read
)

// Place says where the log of a section is.
type Place struct {
	Section string `json:"section"` // or Manager
	File    string `json:"file"`    // absolute path of the current file
}

// DefaultDir returns where the logs are that no log_dir is given for, in a runtime directory.
func DefaultDir(runtimeDir string) string { return filepath.Join(runtimeDir, "logs") }

// Note leaves a note in the runtime directory of where logs are, for [Places] to find when no manager runs. What it says of
// other sections stays.
func Note(runtimeDir string, places []Place) error {
	all, err := readNote(runtimeDir)
	if err != nil {
		all = nil // it is broken: it is better to have the present ones than to serve nothing
	}
	for _, p := range places {
		all = slices.DeleteFunc(all, func(other Place) bool { return other.Section == p.Section })
	}
	data, err := json.MarshalIndent(append(all, places...), "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(runtimeDir, noteName)
	err = os.WriteFile(path+".tmp", append(data, '\n'), 0o600)
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		return fmt.Errorf("note where the logs are: %w", err)
	}
	return nil
}

// Places returns where the logs are that managers with that runtime directory have written, in the order of the sections'
// names, the manager's own first. Those that have no file any more are left out.
func Places(runtimeDir string) ([]Place, error) {
	noted, err := readNote(runtimeDir)
	if err != nil {
		return nil, err
	}
	all, err := PlacesIn(DefaultDir(runtimeDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, p := range noted {
		all = slices.DeleteFunc(all, func(other Place) bool { return other.Section == p.Section })
		if _, err := os.Lstat(p.File); err == nil {
			all = append(all, p)
		}
	}
	sortPlaces(all)
	return all, nil
}

// PlacesIn returns the logs that are in a directory.
func PlacesIn(dir string) ([]Place, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []Place
	for _, e := range entries {
		if section, ok := strings.CutSuffix(e.Name(), suffix); ok && section != "" && e.Type().IsRegular() {
			all = append(all, Place{section, filepath.Join(dir, e.Name())})
		}
	}
	sortPlaces(all)
	return all, nil
}

func sortPlaces(all []Place) {
	slices.SortFunc(all, func(a, b Place) int {
		if (a.Section == Manager) != (b.Section == Manager) {
			if a.Section == Manager {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.Section, b.Section), strings.Compare(a.File, b.File))
	})
}

// readNote returns what the note says.
func readNote(runtimeDir string) ([]Place, error) {
	path := filepath.Join(runtimeDir, noteName)
	f, err := openRegular(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return nil, err
	}
	var all []Place
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("%s says where the logs are, and can't be read: %w: remove it, and start the manager again", path, err)
	}
	return slices.DeleteFunc(all, func(p Place) bool { return p.Section == "" || !filepath.IsAbs(p.File) }), nil
}
