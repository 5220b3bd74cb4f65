// Package interceptor has interceptors that most programs want, for clients and servers:
//
//	logger := zerolog.New(os.Stderr)
//	server := &hotline.Server{Interceptors: []hotline.Interceptor{
//		interceptor.Log(&logger),                        // the outermost: it sees what the others refuse
//		interceptor.Limit(100, 50*time.Millisecond),     // calls at once; more wait for 50 ms
//		interceptor.Rate(rate.NewLimiter(1000, 50), 0),  // calls a second
//	}}
//	dialer := &hotline.Dialer{Interceptors: []hotline.Interceptor{
//		interceptor.Retry(nil),                          // around the breaker: it sees every attempt
//		interceptor.Breaker(gobreaker.Settings{Name: "echo"}),
//	}}
//
// Package hotline/interceptor/prom counts calls for Prometheus, and the module hotline/interceptor/otel traces them for
// OpenTelemetry. A panic of a method needs no interceptor: the server always makes an error of it.
//
// Each constructor returns an interceptor with a state of its own, which all clients or servers share that it is given
// to. How they are written is a page each: what is not here is written likewise.
package interceptor
