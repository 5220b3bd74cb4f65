package manager

import (
	"fmt"

	"hotline/registry"
)

// openGrant lets the workers of an edition that run as another user serve its services, in a runtime directory of that
// user. The manager, and with it all of root's processes, finds them there as it finds its own. They find there
// what runs as that user, and nothing else: users call each other by TCP.
func (m *Manager) openGrant(e *edition) error {
	s := e.service
	id, err := s.identity()
	if err != nil || !id.Foreign() {
		return err
	}
	var services []registry.Instance
	for _, d := range e.services {
		services = append(services, registry.Instance{Name: d.Name, Port: d.Port, Version: d.Version})
	}
	if e.grant, err = m.dir.Grant(id.UID, id.GID, services); err != nil {
		return s.errorAt("user", err)
	}
	if err := id.CheckReach(e.grant.Path()); err != nil {
		return s.errorAt("user", fmt.Errorf("the runtime directory of the user is %s: %w, by HOTLINE_DIR", e.grant.Path(), err))
	}
	return nil
}
