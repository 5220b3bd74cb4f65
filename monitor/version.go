package monitor

import (
	"runtime/debug"
	"slices"
)

// ownVersion returns the version of this module that the program was built with, or "unknown".
func ownVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	all := append([]*debug.Module{&info.Main}, info.Deps...)
	if at := slices.IndexFunc(all, func(m *debug.Module) bool { return m.Path == "hotline" }); at >= 0 && all[at].Version != "" {
		return all[at].Version
	}
	return "unknown"
}
