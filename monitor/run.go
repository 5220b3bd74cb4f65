package monitor

import (
	"context"
	"errors"

	"hotline/manager"
)

// Run runs a manager, as [manager.Manager.Run] does, and offers its control API meanwhile, also while the workers are stopped.
// dir is as for [Listen]; without a Logger what is to be logged goes to [manager.Manager.Logger]. A directory that has a manager
// already is refused before anything is built.
func Run(ctx context.Context, m *manager.Manager, dir string, o *Options) error {
	var options Options
	if o != nil {
		options = *o
	}
	if o = &options; o.Logger == nil {
		o.Logger = m.Logger()
	}
	api, err := Listen(dir, m, o)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		err := api.Serve(serving)
		if err != nil { // which may be long before the manager ends
			o.Logger.Error().Err(err).Msg("control: the manager can't be asked any more: restart it")
		}
		served <- err
	}()
	err = m.Run(ctx)
	stop()
	return errors.Join(err, <-served)
}
