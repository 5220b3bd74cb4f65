package manager

import (
	"fmt"
	"go/doc"
	"strings"
	"text/tabwriter"

	"hotline/internal/plural"
	"hotline/registry"
)

// summary says in one line what a section serves.
func summary(s *SectionStatus) string {
	var services []string
	for i := range s.Services {
		v := &s.Services[i]
		services = append(services, fmt.Sprintf("%s on port %s", fullName(v), v.Port))
	}
	return fmt.Sprintf("ready: %s, %s", strings.Join(services, ", "), plural.Of(len(s.Workers), "worker"))
}

// fullName is a service's name with its version.
func fullName(s *ServiceStatus) string {
	if s.Version == "" {
		return s.Name
	}
	return s.Name + " " + s.Version
}

// report says what the section serves, where, and how to call it.
func (p *pool) report(s *SectionStatus) string {
	var b strings.Builder
	for i := range s.Services {
		p.reportService(&b, &s.Services[i], len(s.Workers))
	}
	for _, w := range s.Workers {
		fmt.Fprintf(&b, "  worker %d, pid %d: %s\n", w.Number, w.PID, clean(strings.Join(w.Addresses, " ")))
	}
	fmt.Fprintf(&b, "  output: %s", s.LogFile)
	return b.String()
}

func (p *pool) reportService(b *strings.Builder, s *ServiceStatus, workers int) {
	fmt.Fprintf(b, "%s: %s is ready on port %s, %s\n", p.section, fullName(s), s.Port, plural.Of(workers, "worker"))
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
	for _, section := range m.Status() {
		for _, other := range section.Services {
			if other.Name == s.Name && key(other.Name, other.Version) != key(s.Name, s.Version) {
				return key(s.Name, s.Version)
			}
		}
	}
	return s.Name
}
