package monitor

import (
	"context"

	"hotline/manager"
)

// Manager is what a [Server] offers. Its methods may be called at once.
type Manager interface {
	Status() []manager.SectionStatus
	Stats(section string, worker int) (*manager.Stats, error)
	Totals() []manager.Totals
	Stacks(ctx context.Context, section string, worker int) (string, error)

	Start(ctx context.Context, section string, say manager.Progress) error
	Stop(ctx context.Context, section string, say manager.Progress) error
	Drain(ctx context.Context, section string, say manager.Progress) error
	Restart(ctx context.Context, section string, say manager.Progress) error
	Scale(ctx context.Context, section string, workers int, say manager.Progress) error
	Reload(ctx context.Context, dryRun bool, say manager.Progress) ([]manager.Change, error)
}

var _ Manager = (*manager.Manager)(nil)
