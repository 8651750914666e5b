package command

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// once is how long after Ctrl-C another SIGINT is the same one, heard twice: a terminal sends it to everybody in front of it, and who has
// started this process, as go tool does, passes it on besides.
const once = 300 * time.Millisecond

// presses tells signals from their echo.
type presses struct {
	last os.Signal
	at   time.Time
}

// count reports whether a signal is one more.
func (p *presses) count(s os.Signal, at time.Time) bool {
	if s == os.Interrupt && p.last == s && at.Sub(p.at) < once {
		return false
	}
	p.last, p.at = s, at
	return true
}

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
		ends := []context.CancelFunc{stop, force}
		for p := (presses{}); len(ends) > 0; {
			select {
			case s := <-signals:
				if p.count(s, time.Now()) {
					ends[0]()
					ends = ends[1:]
				}
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
