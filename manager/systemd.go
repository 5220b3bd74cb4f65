package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"hotline/internal/plural"
	"hotline/manager/internal/systemd"
)

// startSystemd begins to talk with systemd, if the manager is told to. stop ends that with how Run ends; it is to be
// called in any case.
func (m *Manager) startSystemd() (stop func(error), err error) {
	if !m.options.Systemd {
		return func(error) {}, nil
	}
	m.systemd, err = systemd.New(func(err error) {
		m.sayAs(m.log.Warn(), "", err.Error())
	})
	if err != nil {
		return func(error) {}, fmt.Errorf("manager: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { m.systemd.Watch(ctx, m.look) })
	return func(err error) {
		cancel()
		watching.Wait()
		if err != nil {
			m.systemd.Status("failed: %v", err)
		}
		m.systemd.Close()
	}, nil
}

// look returns what the sections do, when each of them has shown that it does not hang; or ctx's error.
func (m *Manager) look(ctx context.Context) (string, error) {
	for _, p := range m.allPools() {
		if err := p.beat(ctx); err != nil {
			return "", err
		}
	}
	return statusLine(m.Status()), nil
}

// unmatched reports sockets of systemd that no service has taken, with the services that are near.
func (m *Manager) unmatched(editions []*edition) error {
	var errs []error
	for _, k := range m.systemd.Untaken() {
		errs = append(errs, fmt.Errorf("manager: no service is for the socket %s of systemd, %s: %s", k.Name, k.Address, mendSocket(k, editions)))
	}
	return errors.Join(errs...)
}

// mendSocket says what to change so that a service has the socket.
func mendSocket(k *systemd.Socket, editions []*edition) string {
	for _, e := range editions {
		for _, d := range e.services {
			if d.Port == fmt.Sprint(k.Address.Port) {
				return fmt.Sprintf("the port is that of %s: set tcp_bind = %s in [%s], where it is %q, or change ListenStream",
					d.Name, k.Address.IP, e.service.Section, e.service.TCPBind)
			}
		}
	}
	var ports []string
	for _, e := range editions {
		for _, d := range e.services {
			ports = append(ports, d.Port)
		}
	}
	return "the ports of the services are " + strings.Join(ports, ", ")
}

// statusLine says how many workers of which sections are not as they should be.
func statusLine(sections []SectionStatus) string {
	if len(sections) == 0 {
		return "building"
	}
	workers, ready := 0, 0
	var lacking, failed, stopped []string
	for i := range sections {
		s := &sections[i]
		if s.State == Stopped || s.State == Draining {
			stopped = append(stopped, s.Section)
			continue
		}
		if s.State == Failed {
			failed = append(failed, fmt.Sprintf("%s (%s)", s.Section, firstLine(s.LastEnd)))
		}
		n := 0
		for _, w := range s.Workers {
			if w.State == Ready && n < s.Wanted { // while one is replaced there may be one more
				n++
			}
		}
		workers, ready = workers+s.Wanted, ready+n
		if n < s.Wanted {
			lacking = append(lacking, fmt.Sprintf("%s %d/%d", s.Section, n, s.Wanted))
		}
	}
	line := fmt.Sprintf("%s, %s ready", plural.Of(len(sections), "section"), plural.Of(workers, "worker"))
	if len(lacking) > 0 {
		slices.Sort(lacking)
		line = fmt.Sprintf("%d of %s ready; not all of %s", ready, plural.Of(workers, "worker"), strings.Join(lacking, ", "))
	}
	if len(failed) > 0 {
		slices.Sort(failed)
		line += "; failed: " + strings.Join(failed, ", ")
	}
	if len(stopped) > 0 {
		slices.Sort(stopped)
		line += "; stopped: " + strings.Join(stopped, ", ")
	}
	return line
}

// firstLine returns how a worker ended without what it had printed, which stands below.
func firstLine(end string) string {
	line, _, _ := strings.Cut(end, "\n")
	return strings.TrimSuffix(line, ":")
}
