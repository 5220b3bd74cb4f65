package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// ErrNotSupported says that this system can't pass descriptors to a process in the way that workers need.
var ErrNotSupported = errors.New("workers are not supported on this system: run the service's program itself")

// FromEnv returns the settings of this process, or nil, nil if no manager started it. It removes them from the
// environment, so that a program that this one starts does not take itself for the worker, and keeps the descriptors
// that they name from being inherited any further. A second call returns nil, nil.
func FromEnv() (*Settings, error) {
	text, ok := os.LookupEnv(Env)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(Env); err != nil {
		return nil, err
	}
	s, err := parse(text)
	if err != nil {
		return nil, err
	}
	if s.Mode != Describe && s.Mode != Run {
		return nil, fmt.Errorf("the variable %s wants mode %.20q, this program knows %q and %q: "+
			"build it with the version of hotline that the manager has", Env, s.Mode, Describe, Run)
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("take over from the manager: %w", err)
	}
	return s, nil
}

// Peek returns the settings that FromEnv will, for who has to know what they say before it serves, and nil, nil where
// there are none. They are not to be used otherwise: their descriptors are FromEnv's to take over.
func Peek() (*Settings, error) {
	text, ok := os.LookupEnv(Env)
	if !ok {
		return nil, nil
	}
	return parse(text)
}

func parse(text string) (*Settings, error) {
	s := new(Settings)
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("the variable %s, %.60q, is not what a manager sets: unset it: %w", Env, text, err)
	}
	return s, nil
}

// Environ returns the environment entry that carries the settings to the worker.
func (s *Settings) Environ() (string, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	return Env + "=" + string(text), nil
}

// Describe tells the manager which services this program serves.
func (s *Settings) Describe(services []Description) error {
	if err := s.send(&Message{Event: Described, Services: services}); err != nil {
		return fmt.Errorf("describe to the manager: %w", err)
	}
	return nil
}

// Ready tells the manager that the services are served, and at which addresses.
func (s *Settings) Ready(services []Description, addresses []string) error {
	if err := s.send(&Message{Event: IsReady, Services: services, Addresses: addresses}); err != nil {
		return fmt.Errorf("tell the manager that the service is ready: %w", err)
	}
	return nil
}
