// Package link is hotline's call engine: many calls at once over one connection, the same on every transport.
//
// A [Conn] moves frames. A [Client] makes calls over one: it numbers them, cuts long messages into pieces, puts
// replies together again, and ends each call with a reply or with an error whose outcome is known. A [Server]
// answers them: it runs a [Handler] on the goroutine that read the request, and passes the reading on when a
// handler runs long. What a call can do is written here, once, and in no transport.
//
// # Who reads
//
// There is no reading goroutine between the socket and a caller. On a Client the reading role belongs to one of the
// callers that wait: it reads for all, hands each reply to its caller, and gives the role to another when its own
// reply has come. When no call is in flight for a while a goroutine of the link's own takes the role and sleeps in
// it, so that the peer's end and its goaway are seen at once.
//
// On a Server the role belongs to one goroutine, which reads a request, runs its handler and reads the next. A
// sentry that looks at the busy links about once a millisecond takes the role from a handler that is still running
// and gives it to a new goroutine; methods that were slow are remembered, and their calls get a goroutine of their
// own until they are quick again. So a slow method never blocks the others for long, and a quick one never pays
// for a goroutine.
//
// # Outcomes
//
// A call that failed was executed with an error ([*wire.Error] with a code that says Executed), or it was not
// ([ErrNotExecuted], safe to send again), or nobody knows ([ErrMaybeExecuted]: the link ended, or the caller gave
// up, between the request and its reply).
package link
