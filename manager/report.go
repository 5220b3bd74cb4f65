package manager

import (
	"fmt"
	"go/doc"
	"strings"
	"text/tabwriter"

	"hotline/registry"
)

// report says what the section serves, where, and how to call it.
func (p *pool) report() string {
	s := p.status()
	var b strings.Builder
	for i := range s.Services {
		p.reportService(&b, &s.Services[i])
	}
	for _, w := range s.Workers {
		fmt.Fprintf(&b, "  worker %d, pid %d: %s\n", w.Number, w.PID, clean(strings.Join(w.Addresses, " ")))
	}
	fmt.Fprintf(&b, "  output: %s", s.LogFile)
	return b.String()
}

func (p *pool) reportService(b *strings.Builder, s *ServiceStatus) {
	version := ""
	if s.Version != "" {
		version = " " + s.Version
	}
	fmt.Fprintf(b, "%s: %s%s is ready on port %s, %s\n", p.service.Section, s.Name, version, s.Port, count(len(p.slots), "worker"))
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, m := range s.Methods {
		fmt.Fprintf(table, "    %s\t%s\n", clean(m.Codec), clean(m.Signature))
		if about := new(doc.Package).Synopsis(m.Doc); about != "" { // describe shows the whole comment
			fmt.Fprintf(table, "    \t    %s\n", clean(about))
		}
	}
	table.Flush()
	command, name := p.manager.options.CommandName, p.manager.callName(s)
	fmt.Fprintf(b, "  to call it:\n    %s describe %s\n", command, name)
	if p.manager.options.Example == nil {
		return
	}
	for i := range s.Methods {
		if arguments, ok := p.manager.options.Example(&s.Methods[i]); ok {
			fmt.Fprintf(b, "    %s call %s %s%s\n", command, name, clean(s.Methods[i].Name), clean(arguments))
		}
	}
}

// callName returns what a service is called by: its name, with its major number where two versions are served.
func (m *Manager) callName(s *ServiceStatus) string {
	key := func(name, version string) string { return (&registry.Instance{Name: name, Version: version}).Key() }
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pools {
		for _, other := range p.services {
			if other.Name == s.Name && key(other.Name, other.Version) != key(s.Name, s.Version) {
				return key(s.Name, s.Version)
			}
		}
	}
	return s.Name
}
