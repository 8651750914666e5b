package framework

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// Module joins karafgo to an fx application: consuming starts with the application and is drained before anything that handlers were
// given stops. A fatal error shuts the application down with exit code 3. fx stops an application after 15 s unless
// fx.StopTimeout says otherwise: allow shutdown.drain + shutdown.grace and some seconds.
func Module(cfg Config) fx.Option {
	return fx.Options(
		fx.Supply(will{context.Background(), context.Background()}),
		core(cfg, nil),
	)
}

// Check finds out what would keep Run from starting, and consumes nothing: the configuration and the routes are right, brokers answer,
// TLS and SASL are accepted, the ACLs allow reading every topic, joining every group and writing every output, and the topics exist, unless
// kafka.missing_topics makes them or waits for them. It makes what the program's constructors make, and calls no hooks. Its error is
// the *StartError of Run, which names each thing that is missing, and the remedy.
func Check(ctx context.Context, cfg Config, opts ...fx.Option) error {
	var p *process
	app := fx.New(
		fx.Supply(will{ctx, ctx}),
		core(cfg, func(made *process) { p = made }),
		fx.Options(opts...),
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
	)
	if err := app.Err(); err != nil {
		return &StartError{rootCause(err)}
	}
	defer p.send.close()
	if err := p.engine.Check(ctx); err != nil {
		return &StartError{err}
	}
	return nil
}

// core makes the process, and shows it to made, which may be nil.
func core(cfg Config, made func(*process)) fx.Option {
	return fx.Module("karafgo",
		injected(cfg),
		fx.Provide(
			func(p parts) (*router.Table, error) { return newTable(p, cfg) },
			func(p parts, t *router.Table, w will, s fx.Shutdowner, c *Control, own *send) (*process, error) {
				return newProcess(cfg, p, t, w, s, c, own)
			},
			fx.Private,
		),
		fx.Invoke(func(lc fx.Lifecycle, p *process) {
			lc.Append(fx.Hook{OnStart: p.start, OnStop: p.stop})
			if made != nil {
				made(p)
			}
		}),
	)
}

// injected is what constructors may take of the program itself.
func injected(cfg Config) fx.Option {
	return fx.Provide(
		func() *Control { return &Control{} },
		func(lc fx.Lifecycle) *send {
			s := newSend(cfg.Producer)
			lc.Append(s.hook(cfg))
			return s
		},
		func(s *send) *responder.Producer { return s.producer },
	)
}

// Run consumes until ctx ends, then drains, commits and leaves. It returns nil after a clean stop, a *StartError when it could not
// start, a *FatalError when it could not go on, and ErrForced when handlers had to be abandoned.
func Run(ctx context.Context, cfg Config, opts ...fx.Option) error {
	return run(ctx, context.Background(), cfg, opts...)
}

// others is what hooks of the user's own constructors may take beside ours.
const others = time.Minute

// ending tells that somebody called fx.Shutdowner. The application's own channel for that (fx.App.Wait) would catch the signals of the
// process besides, which belong to the caller of Run.
type ending struct {
	once sync.Once
	done chan struct{}
}

type shutdowner struct {
	fx.Shutdowner

	ending *ending
}

func (e *ending) wrap(s fx.Shutdowner) fx.Shutdowner { return shutdowner{s, e} }

// Shutdown implements fx.Shutdowner.
func (s shutdowner) Shutdown(opts ...fx.ShutdownOption) error {
	s.ending.once.Do(func() { close(s.ending.done) })
	return s.Shutdowner.Shutdown(opts...)
}

// run stops when ctx ends, and by force when forced does.
func run(ctx, forced context.Context, cfg Config, opts ...fx.Option) error {
	if err := ctx.Err(); err != nil {
		return &StartError{context.Cause(ctx)}
	}
	ended := &ending{done: make(chan struct{})}
	app := fx.New(
		fx.Supply(will{ctx, forced}),
		fx.Decorate(ended.wrap),
		core(cfg, nil),
		fx.Options(opts...),
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
		fx.StartTimeout(cfg.Kafka.BootTimeout+others),
		fx.StopTimeout(cfg.Shutdown.Drain+cfg.Shutdown.Grace+others),
	)
	if err := app.Err(); err != nil {
		return &StartError{rootCause(err)}
	}
	// Not ended by ctx: fx would return at once, with a hook still running and without stopping those that ran. The engine gives up by
	// itself, and what has started is stopped again.
	starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StartTimeout())
	err := app.Start(starting)
	cancel()
	if err != nil {
		if start := (*StartError)(nil); errors.As(err, &start) {
			return start
		}
		return &StartError{err}
	}
	select {
	case <-ctx.Done():
	case <-ended.done:
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StopTimeout())
	defer cancel()
	err = app.Stop(stopping)
	if fatal := (*FatalError)(nil); errors.As(err, &fatal) {
		return fatal
	}
	return err //nolint:wrapcheck // ErrForced, or what the user's own hooks returned
}
