package interceptor

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"hotline"
)

// Log writes a line for each call that has ended: at debug level where it went well, at error level where a method
// panicked, and at warn level for everything else. The fields are side ("client" or "server"), service, method, kind,
// peer, ms, request_bytes, reply_bytes and outcome ([hotline.Call.Outcome]), with error where there is one and
// traceparent where one came with the call.
func Log(logger *zerolog.Logger) hotline.Interceptor {
	return func(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
		err := next(ctx)
		outcome := call.Outcome(err)
		event := logger.WithLevel(levelOf(err, outcome))
		if !event.Enabled() {
			return err
		}
		if trace := hotline.IncomingMetadata(ctx)["traceparent"]; trace != "" {
			event.Str("traceparent", trace)
		}
		event.Str("side", side(call)).Str("service", call.Service).Str("method", call.Method).Stringer("kind", call.Kind).
			Str("peer", call.Peer.Address).Dur("ms", time.Since(call.Began)).
			Int64("request_bytes", call.RequestSize).Int64("reply_bytes", call.ReplySize).
			Str("outcome", outcome).Err(err).Msg("call")
		return err
	}
}

func levelOf(err error, outcome string) zerolog.Level {
	switch {
	case err == nil:
		return zerolog.DebugLevel
	case outcome == hotline.CodePanic.String():
		return zerolog.ErrorLevel
	}
	return zerolog.WarnLevel
}

func side(call *hotline.Call) string {
	if call.Incoming {
		return "server"
	}
	return "client"
}
