// Package gobuild makes programs of services with the go command: one for each, which a manager runs ([Builder.Program]), or one
// for all of them, which is put on another machine ([Builder.Bundle]). Nothing is written beside the services' sources: what is
// generated stands in a [WorkDir], and the compiler is told of it by an overlay.
package gobuild
