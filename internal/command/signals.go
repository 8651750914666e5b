package command

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// WithSignals runs fn with a context that ends at the first signal, and one that ends at the second.
func WithSignals(fn func(ctx, forced context.Context) error) error {
	signals := make(chan os.Signal, 2) //nolint:mnd // the two that count
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	ctx, stop := context.WithCancel(context.Background())
	forced, force := context.WithCancel(context.Background())
	defer force()
	defer stop()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for _, end := range []context.CancelFunc{stop, force} {
			select {
			case <-signals:
				end()
			case <-ended:
				return
			}
		}
	}()
	return fn(ctx, forced)
}

// Interruptible runs fn with a context that a signal ends.
func Interruptible(fn func(ctx context.Context) error) error {
	return WithSignals(func(ctx, _ context.Context) error {
		err := fn(ctx)
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", err)
		}
		return err
	})
}
