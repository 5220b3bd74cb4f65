package split

import (
	"context"

	"hotline"
)

// Parts are both services, as one process sees them. Those whose address is [Inproc] are its own; it serves them and calls
// them as functions. The others are found at their addresses. Nothing else differs.
type Parts struct {
	Tokenizer *Peer[TokenizerClient]
	Index     *Peer[IndexClient]
	served    chan error
}

// Open begins to serve what is this process's own.
func Open(ctx context.Context, server *hotline.Server, tokenizer, index string) (*Parts, error) {
	d := &hotline.Dialer{Dir: server.Dir, Server: server, Direct: true}
	p := &Parts{
		Tokenizer: &Peer[TokenizerClient]{Dialer: d, Address: tokenizer},
		Index:     &Peer[IndexClient]{Dialer: d, Address: index},
		served:    make(chan error, 1),
	}
	var own []any
	if tokenizer == Inproc {
		own = append(own, &Tokenizer{Index: p.Index})
	}
	if index == Inproc {
		own = append(own, &Index{Tokenizer: p.Tokenizer})
	}
	for _, service := range own {
		if err := server.Register(service); err != nil {
			return nil, err
		}
	}
	if len(own) == 0 { // it only asks
		p.served <- nil
		return p, nil
	}
	go func() { p.served <- server.Serve(ctx) }()
	return p, nil
}

// Wait waits until the services have stopped, when the context of Open has ended.
func (p *Parts) Wait() error {
	defer p.Tokenizer.Close()
	defer p.Index.Close()
	return <-p.served
}
