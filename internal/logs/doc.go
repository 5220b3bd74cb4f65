// Package logs keeps what the workers of a section write, and reads it again.
//
// A [Log] is the log of one section: a current file, <section>.log, and older ones, <section>.log.<time of rotation>.
// [ReadLines] cuts a worker's output into lines, [Log.Writer] takes them, and a [Query] reads the logs of several
// sections in the order of time, over rotated files, and follows them.
//
//	log, err := logs.Open(dir, "echo", nil)
//	logs.ReadLines(pipe, log.Writer(2, "stderr"))
//
//	q := &logs.Query{Follow: true, Level: zerolog.WarnLevel}
//	err := q.Run(ctx, []logs.Place{{Section: "echo", File: "/var/log/echo.log"}}, print, nil)
//
// # The format
//
// A line of a file is a JSON object: jq, Loki, Vector and the like read it without being told how, and a line that a
// worker wrote as JSON (zerolog, log/slog) keeps its fields and their types. The members that are added come first, always in
// the same order and the time always as wide as in any other line, so that a file is readable in a pager, and grep and sort
// work on it:
//
//	{"time":"2026-01-02T15:04:05.000000Z","section":"echo","worker":2,"stream":"stderr","level":"info","message":"the text"}
//
//	time     when the manager read the line, UTC
//	section  the section of service.ini
//	worker   the number of the worker in it, from 1
//	stream   stdout, stderr, or manager: what the manager itself says, here or in manager.log; then section and worker are
//	         those that it speaks of, and are missing where it speaks of none
//	level    trace, debug, info, warn, error, fatal or panic
//	message  the text of a plain line; of a JSON object its member message, or msg
//	bytes    base64 of the line, only where it is not UTF-8; message then has U+FFFD for what is not
//	part     from 1: the line is longer than [MaxLine], and this is one part of it; more is true in all parts but the last
//
// All other members are those of the worker's JSON object, as they stood there. Where one of them has the name of a
// member that is added it has own_ before its name: own_time is the time that zerolog wrote. So no worker can speak in the
// name of another. Control characters are escaped, so that a file does no harm in a terminal.
//
// A plain line has the level that it says itself (see plainLevel), and info else, on both streams: Go's package log
// writes everything to stderr, so the stream says nothing about how bad it is. The lines of a Go program's crash have the
// level panic or fatal, the stacks too.
//
// The order of the lines of a stream is kept. That of two streams of a worker, or of two workers, is the order in which the
// manager read them. Lines are not synced to the disk: a crash of the machine, not of a worker or of the manager, can lose
// the last ones.
//
// # What is lost
//
// A worker never waits for a disk. Its lines go to a queue of bounded size, which one goroutine for each log empties with
// few large writes. Lines for which there is no room, and lines that can't be written, are dropped and counted ([Log.Lost]),
// and the log has a line that says how many, and why, before the next one that can be written, or at its end.
//
// gopkg.in/natefinch/lumberjack.v2 rotates files, too, but bounds the number of old files and not their size, leaves half a
// line in a file when the disk is full, overwrites a file when two rotations have the same millisecond, and has a goroutine
// that does not end.
package logs
