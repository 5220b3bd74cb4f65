//go:build !linux

package doctor

import "hotline/registry"

// system knows nothing more of this system.
func (f *Facts) system() {}

// workers knows nothing of other processes here.
func (f *Facts) workers(string, int, []registry.Instance) {}

// fill knows nothing of file systems here.
func (p *Place) fill() {}
