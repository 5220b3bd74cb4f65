package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hotline/internal/nearest"
	"hotline/manager"
	"hotline/registry"
)

// Find returns the section that a name asks for, which every command that takes one resolves so: the section of that name, or
// else the only one with a service of that name, name@major or port. The error is an [*Error] that lists what there is:
// [NotFound], or [BadRequest] where several sections serve it.
func Find(sections []Section, name string) (*Section, error) {
	var found *Section
	var serving []string
	for i := range sections {
		s := &sections[i]
		if s.Name == name {
			return s, nil
		}
		if slices.ContainsFunc(s.Services, func(v Service) bool { return v.called(name) }) {
			serving, found = append(serving, s.Name), s
		}
	}
	switch {
	case len(serving) == 1:
		return found, nil
	case len(serving) > 1:
		return nil, errorf(BadRequest, "%s is served by the sections %s: name one of them", name, strings.Join(serving, ", "))
	case len(sections) == 0:
		return nil, errorf(NotFound, "there is no section %q yet: the manager still builds its programs", name)
	}
	return nil, notFound(sections, name)
}

// notFound says that no section, and no service, has a name.
func notFound(sections []Section, name string) error {
	var words, list []string
	for i := range sections {
		s := &sections[i]
		var services []string
		words = append(words, s.Name)
		for _, v := range s.Services {
			words = append(words, v.Name)
			services = append(services, v.Name+" on port "+v.Port)
		}
		if len(services) == 0 {
			list = append(list, s.Name)
			continue
		}
		list = append(list, fmt.Sprintf("%s (%s)", s.Name, strings.Join(services, ", ")))
	}
	hint := ""
	if near := nearest.Word(name, words); near != "" {
		hint = ": did you mean " + near + "?"
	}
	return errorf(NotFound, "there is no section or service %q%s\nThere are: %s", name, hint, strings.Join(list, ", "))
}

// called reports whether name asks for the service.
func (v *Service) called(name string) bool {
	key := (&registry.Instance{Name: v.Name, Version: v.Version}).Key()
	return name == v.Name || name == v.Port || name == key
}

// find returns the sections that a name asks for: all for an empty one.
func find(all []Section, name string) ([]Section, error) {
	if name == "" {
		return all, nil
	}
	s, err := Find(all, name)
	if err != nil {
		return nil, err
	}
	return []Section{*s}, nil
}

func sectionsOf(all []manager.SectionStatus) []Section {
	sections := make([]Section, len(all))
	for i := range all {
		sections[i] = sectionOf(&all[i])
	}
	return sections
}

func sectionOf(s *manager.SectionStatus) Section {
	v := Section{Name: s.Section, State: s.State, Wanted: s.Wanted, Build: s.Build, Rolling: s.Rolling, Restarts: s.Restarts,
		LastEnd: s.LastEnd, Services: []Service{}, Workers: []Worker{}, LogFile: s.LogFile, LogLost: s.LogLost}
	for _, of := range s.Services {
		v.Services = append(v.Services, Service{of.Name, of.Port, cmp.Or(of.Version, "0"), len(of.Methods)})
	}
	for i := range s.Workers {
		w := workerOf(&s.Workers[i])
		if w.State == manager.Ready {
			v.Ready++
		}
		v.Workers = append(v.Workers, w)
	}
	return v
}

func workerOf(w *manager.WorkerStatus) Worker {
	v := Worker{Number: w.Number, State: w.State, Failed: w.Failed, Due: w.Due, PID: w.PID, Restarts: w.Restarts, LastEnd: w.LastEnd,
		Addresses: append([]string{}, w.Addresses...)}
	if !w.Started.IsZero() {
		v.Started = &w.Started
	}
	return v
}

// findWorker reports that a section has no worker of that number, or one without a process.
func findWorker(s *Section, n int) error {
	var numbers []string
	for _, w := range s.Workers {
		switch {
		case w.Number == n && w.PID == 0:
			return errorf(NotFound, "worker %d of %s has no process now: it is %s", n, s.Name, w.State)
		case w.Number == n:
			return nil
		}
		numbers = append(numbers, strconv.Itoa(w.Number))
	}
	if len(numbers) == 0 {
		return errorf(NotFound, "%s has no worker %d, nor any other", s.Name, n)
	}
	return errorf(NotFound, "%s has no worker %d: its workers are %s", s.Name, n, strings.Join(numbers, ", "))
}
