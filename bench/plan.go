package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hotline/bench/load"
	"hotline/bench/peer"
	"hotline/bench/report"
)

// plan is what the flags ask for.
type plan struct {
	scenarios []string
	peers     []string // the names, or parts of them, that are measured in the grid; none means all
	sizes     []int
	callers   []int
	rounds    int
	warm, run time.Duration
	calls     int           // by each caller, in place of run, if not 0
	idle      time.Duration // how long links are idle
	links     int           // at most, of the scenario heap
}

// scenarios are all there are, in the order in which they are run.
var scenarios = []string{report.Grid, report.Sum, report.Paced, report.Clients, report.Hogs, report.OneProc, report.Quota,
	report.Idle, report.Heap}

// cells returns all that is to be measured in one round.
func (p *plan) cells() ([]*cell, error) {
	var cells []*cell
	for _, s := range p.scenarios {
		switch s {
		case report.Grid:
			peers, err := p.chosen()
			if err != nil {
				return nil, err
			}
			for _, size := range p.sizes {
				for _, callers := range p.callers {
					cells = append(cells, &cell{scenario: s, peers: peers, job: p.job(size, callers)})
				}
			}
		case report.Sum:
			job := p.job(16, 1)
			job.Add = true
			cells = append(cells, &cell{scenario: s, peers: find("hotline shm", "hotline unix", "hotline tcp"), job: job})
		case report.Paced:
			for _, quiet := range []time.Duration{time.Millisecond, 50 * time.Millisecond} {
				job := p.job(16, 1)
				job.Quiet, job.Calls = quiet, p.pacedCalls(quiet)
				cells = append(cells, &cell{scenario: s, peers: find("hotline shm", "hotline unix", "lock-step unix"), job: job})
			}
		case report.Clients:
			cells = append(cells, &cell{scenario: s, clients: 3, job: p.job(16, 1),
				peers: find("hotline shm", "hotline unix", "multiplexed unix", "arpc")})
		case report.Hogs, report.OneProc, report.Quota:
			for _, callers := range []int{1, 8} {
				c := &cell{scenario: s, peers: find("hotline shm", "hotline unix"), job: p.job(16, callers)}
				switch s {
				case report.Hogs:
					c.conditions = withHogs
				case report.OneProc:
					c.conditions = withOneProc
				case report.Quota:
					c.conditions = withQuota
				}
				cells = append(cells, c)
			}
		case report.Idle:
			cells = append(cells, &cell{scenario: s, peers: find("hotline shm", "hotline unix", "hotline tcp"), once: true,
				job: load.Job{Size: 16, Callers: 1}, measure: measureIdle(p.idle), cost: p.idle + 2*time.Second})
		case report.Heap:
			cells = append(cells, &cell{scenario: s, peers: find("hotline shm", "hotline unix", "hotline tcp"), once: true,
				job: load.Job{Size: 16, Callers: 1}, measure: measureHeap(p.links), cost: time.Second + time.Duration(p.links)*500*time.Microsecond})
		default:
			return nil, fmt.Errorf("there is no scenario %q: use some of %s", s, strings.Join(scenarios, ","))
		}
	}
	return cells, nil
}

func (p *plan) job(size, callers int) load.Job {
	return load.Job{Size: size, Callers: callers, Warm: p.warm, Run: p.run, Calls: p.calls}
}

// pacedCalls is how many calls follow a time of quiet: as many as take four times as long as a measurement does.
func (p *plan) pacedCalls(quiet time.Duration) int {
	if p.calls > 0 {
		return p.calls
	}
	return min(500, max(8, int(4*p.run/quiet)))
}

// chosen returns the peers of the grid.
func (p *plan) chosen() ([]peer.Peer, error) {
	if len(p.peers) == 0 {
		return peer.All(), nil
	}
	var some []peer.Peer
	for _, one := range peer.All() {
		if slices.ContainsFunc(p.peers, func(part string) bool { return strings.Contains(one.Name, part) }) {
			some = append(some, one)
		}
	}
	if len(some) == 0 {
		var names []string
		for _, one := range peer.All() {
			names = append(names, one.Name)
		}
		return nil, fmt.Errorf("no peer is called %s: there are %s", strings.Join(p.peers, " or "), strings.Join(names, ", "))
	}
	return some, nil
}

// find returns the peers of those names, which are there.
func find(names ...string) []peer.Peer {
	var peers []peer.Peer
	for _, name := range names {
		if p, ok := peer.Find(name); ok {
			peers = append(peers, p)
		}
	}
	return peers
}
