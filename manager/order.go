package manager

import (
	"fmt"
	"slices"
	"strings"

	"hotline/internal/nearest"
)

// before returns, for each section, the indexes of those that must be ready before it starts: those that it names in
// after, and those above it with wait_until_completed. It stops before they do. Names that are no section are left out.
func (c *Config) before() [][]int {
	all := make([][]int, len(c.Services))
	for i := range c.Services {
		for j := range c.Services {
			s := &c.Services[j]
			if j < i && s.WaitUntilCompleted || slices.Contains(c.Services[i].After, s.Section) {
				all[i] = append(all[i], j)
			}
		}
	}
	return all
}

// checkOrder reports sections that wait for one that is not there, or for each other.
func (p *configParser) checkOrder() {
	c := p.config
	var names []string
	for i := range c.Services {
		names = append(names, c.Services[i].Section)
	}
	for i := range c.Services {
		s := &c.Services[i]
		for _, name := range s.After {
			if slices.Contains(names, name) {
				continue
			}
			err := fmt.Errorf("there is no section [%s]: name sections of services in this file", name)
			if near := nearest.Word(name, names); near != "" {
				err = fmt.Errorf("there is no section [%s]: did you mean %s?", name, near)
			}
			p.errs = append(p.errs, s.errorAt("after", err))
		}
	}
	if ring := cycle(c.before()); ring != nil {
		s := &c.Services[ring[0]]
		for _, i := range ring { // wait_until_completed alone makes no ring
			if len(c.Services[i].After) > 0 {
				s = &c.Services[i]
			}
		}
		var path []string
		for _, i := range append(ring, ring[0]) {
			path = append(path, "["+names[i]+"]")
		}
		p.errs = append(p.errs, s.errorAt("after", fmt.Errorf("the sections wait for each other, by after or by wait_until_completed "+
			"of one above: %s: none of them could start", strings.Join(path, " waits for "))))
	}
}

// cycle returns a ring of nodes each of which has the next one among its edges, or nil if there is none.
func cycle(edges [][]int) []int {
	const entered, left = 1, 2
	state := make([]int, len(edges))
	var path []int
	var visit func(i int) []int
	visit = func(i int) []int {
		switch state[i] {
		case left:
			return nil
		case entered:
			return slices.Clone(path[slices.Index(path, i):])
		}
		state[i], path = entered, append(path, i)
		for _, j := range edges[i] {
			if ring := visit(j); ring != nil {
				return ring
			}
		}
		state[i], path = left, path[:len(path)-1]
		return nil
	}
	for i := range edges {
		if ring := visit(i); ring != nil {
			return ring
		}
	}
	return nil
}
