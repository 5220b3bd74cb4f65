// Package monitor is how a running manager is watched and told what to do: an HTTP API on the socket "control.sock" in
// the runtime directory, and its client.
//
// A [Server] offers what a manager does; a [Client], found by the runtime directory, asks it.
//
//	api, err := monitor.Listen("", m, nil)
//	go api.Serve(ctx)
//
//	c, err := monitor.Dial("")
//	status, err := c.Status(ctx, "")
//	outcome, err := c.Do(ctx, monitor.Command{Verb: monitor.Restart, Name: "Server"}, func(line string) { ... })
//
// # Who may ask
//
// The socket has the mode 0600 and the directory is its user's own. Besides, each connection is asked who is at its
// other end (SO_PEERCRED): this user and root are served, anybody else gets the status 403, and a line in the manager's log.
//
// # The API
//
// Bodies are JSON in both directions, with the types of this package. NAME is that of a section, or the name or port of
// a service that one section alone serves; empty or left out it is all sections.
//
//	GET  /v1/status?name=NAME                    Status
//	GET  /v1/figures?name=NAME                   Figures: what the workers have done, and do now
//	GET  /v1/sections/NAME/workers/N/stacks      Stacks
//	POST /v1/commands                            Command; the answer is a stream, see below
//	GET  /metrics                                the text format of Prometheus
//
// What fails has a status of 400 or more, and an [Error]:
//
//	{"error": {"code": "not_found", "message": "there is no section or service \"x\": ..."}}
//
// A command runs in the manager until its end, whoever waits for it or stops waiting. Its answer is a line of JSON for
// each step (application/x-ndjson), and at last its outcome:
//
//	{"progress": "worker 1 is ready"}
//	{"outcome": {"section": "Server"}}      or {"error": {"code": "failed", "message": "..."}}
//
// A stream without a last line is one of a manager that has ended. With no_wait the answer is
// {"outcome": {"section": "Server", "begun": true}} at once. The manager's log (manager.log) has who gave which command, and how
// it ended, in any case.
//
// # Limits
//
// A header has 8 KiB and a body 4 KiB at most, a request must be there whole within 10 s, an answer be taken within 10 s
// (a line of a stream likewise), 64 connections are open and 32 commands under way at once. A worker has 10 s to say what its
// goroutines do. Whoever reads slowly misses steps of the progress; the manager waits for nobody.
//
// # Metrics
//
// The counters of /metrics are [manager.Totals]: they count what workers did that are gone, to their last call, and never go
// down while the manager runs. A section that a reload has removed keeps its counters, which stand still, and has no
// gauges; one that comes again by its name goes on from there. A section is in a crash loop while hotline_workers_failed is not 0.
package monitor
