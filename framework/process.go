package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/internal/health"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/internal/metrics"
	"github.com/karafgo/karafgo/router"
)

// process is a running program: the engine with its log, metrics and probes.
type process struct {
	cfg    Config
	log    *zap.Logger
	engine *engine.Engine
	health *health.Health
	http   *listener
	will   will
	send   *send
	// control is the users' way to the engine, from its start on
	control *Control
}

// will is what the caller of Run wants, told by contexts. In an application of others nothing ends them.
type will struct {
	run    context.Context //nolint:containedctx // ends when the process is to stop; a start in progress is given up
	forced context.Context //nolint:containedctx // ends when a drain in progress is to be cut short
}

func newTable(p parts, cfg Config) (*router.Table, error) {
	table, err := router.Draw(inOrder(p.Routes)...)
	if err != nil {
		return nil, errors.Join(cfg.Validate(), err) // each mistake says its place
	}
	var groups []string
	for _, g := range table.Groups() {
		groups = append(groups, g.ID)
	}
	if err := errors.Join(cfg.Validate(), cfg.CheckRoutes(table.Topics(), groups)); err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	chosen := table.Only(cfg.Routes.Keeps)
	if len(chosen.Groups()) == 0 {
		return nil, errNothingChosen
	}
	return chosen, nil
}

var errNothingChosen = errors.New("nothing is left to consume: routes.include_groups, exclude_groups, include_topics and exclude_topics " +
	"leave out every route")

func newProcess(
	cfg Config, p parts, table *router.Table, w will, shutdown fx.Shutdowner, control *Control, own *send,
) (*process, error) {
	log, err := newLogger(cfg.Log)
	if err != nil {
		return nil, err
	}
	pr := &process{cfg: cfg, log: log, will: w, control: control, send: own}
	var groups []string
	for _, g := range table.Groups() {
		groups = append(groups, g.ID)
	}
	pr.health = health.New(health.Settings{
		Groups: groups, StuckAfter: cfg.HTTP.StuckAfter, Oldest: pr.oldest, PollAge: pr.pollAge,
		Forget: forgetAfter * max(cfg.Kafka.MetadataMaxAge, cfg.Commit.Interval),
	})
	m := metrics.New(pr.status)
	s := engine.Configure(cfg)
	cluster, err := newCluster(cfg, p, log)
	if err != nil {
		return nil, err
	}
	shared := kafka.NewShared(cluster)
	s.Connect = shared
	s.Inline = []callbacks.Listener{m, pr.health, newEventLog(log)}
	s.Listeners = slices.Concat(inOrder(p.Listeners)...)
	s.Hooks = slices.Concat(inOrder(p.Hooks)...)
	s.Middleware = slices.Concat[[]consumer.Middleware](inOrder(p.Middleware)...)
	s.OnFatal = func(error) { _ = shutdown.Shutdown(fx.ExitCode(ExitFatal)) } // an application that stops already
	pr.engine = engine.New(table, s)
	own.bind(shared, pr.engine.Tell)
	if cfg.HTTP.Listen != "" {
		pr.http = newListener(cfg.HTTP.Listen, m, pr.health, log)
	}
	return pr, nil
}

var errTwoMechanisms = errors.New("more than one mechanism of SASL is given: use framework.SASL once, with kafka.sasl.mechanism none, " +
	"or the configuration alone")

var errBrokerBalances = errors.New("framework.Balancers with group.protocol consumer: the broker distributes the partitions then; " +
	"leave out the one, or set the other to classic")

var errTwoPartitioners = errors.New("framework.Partitioner is given more than once: a program has one")

func newCluster(cfg Config, p parts, log *zap.Logger) (*kafka.Cluster, error) {
	c := kafka.New(cfg, newKafkaLog(log))
	switch own := inOrder(p.SASL); {
	case len(own) == 0:
	case len(own) > 1 || cfg.Kafka.SASL.Mechanism != config.NoSASL:
		return nil, errTwoMechanisms
	default:
		c = c.WithSASL(own[0])
	}
	if own := slices.Concat(inOrder(p.Balancers)...); len(own) > 0 {
		if cfg.Group.Protocol == config.Consumer {
			return nil, errBrokerBalances
		}
		c = c.WithBalancers(own...)
	}
	switch own := inOrder(p.Partitioners); {
	case len(own) == 0:
	case len(own) > 1:
		return nil, errTwoPartitioners
	default:
		c = c.WithPartitioner(own[0])
	}
	return c, nil
}

// forgetAfter is after how many of its rounds the client has shown that an error is over: it asks for metadata, and commits, once a
// round.
const forgetAfter = 2

// start is the fx hook.
func (p *process) start(ctx context.Context) error {
	if p.http != nil {
		if err := p.http.open(); err != nil {
			return &StartError{err}
		}
	}
	starting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.will.run, func() { cancel(context.Cause(p.will.run)) })()
	err := p.engine.Start(starting)
	if err == nil && ctx.Err() != nil { // fx has given up on this hook already, and would never stop what it started
		err = errors.Join(context.Cause(ctx), p.engine.Stop(ctx))
	}
	if err != nil {
		p.closeHTTP()
		return &StartError{err}
	}
	p.control.engine.Store(p.engine)
	p.health.Started()
	return nil
}

// forceMargin is what is kept of a foreign deadline for the forced end of a stop.
const forceMargin = 2 * time.Second

// stop is the fx hook. The engine forces when its context ends, and then still needs a moment.
func (p *process) stop(ctx context.Context) error {
	forced, cancel := context.WithCancel(p.will.forced)
	defer cancel()
	if deadline, ok := ctx.Deadline(); ok {
		forced, cancel = context.WithDeadline(forced, deadline.Add(-forceMargin))
		defer cancel()
	}
	err := p.engine.Stop(forced)
	p.closeHTTP()
	_ = p.log.Sync() // standard error may not support it
	if fatal := p.engine.Err(); fatal != nil {
		return &FatalError{errors.Join(fatal, err)}
	}
	return err //nolint:wrapcheck // ErrForced
}

func (p *process) closeHTTP() {
	if p.http != nil {
		p.http.close()
	}
}

func (p *process) pollAge() map[string]time.Duration {
	ages := map[string]time.Duration{}
	for _, g := range p.engine.Groups() {
		ages[g.Group] = g.PollAge
	}
	return ages
}

func (p *process) oldest() (b health.Busy) {
	for _, s := range p.engine.Status() {
		if s.Busy > b.For {
			b = health.Busy{Where: fmt.Sprintf("group %s: %s/%d@%d", s.Group, s.Topic, s.Partition, s.Handling), For: s.Busy}
		}
	}
	return b
}

// pauseReasons are always shown, at 0 when nothing is paused.
var pauseReasons = []string{ //nolint:gochecknoglobals // constant
	callbacks.PausedQueue, callbacks.PausedMemory, callbacks.PausedUnmarked,
	callbacks.PausedUser, callbacks.PausedTopic, callbacks.PausedQuiet,
}

func (p *process) status() metrics.Status {
	st := metrics.Status{
		Buffered: map[string]int64{}, Lag: map[callbacks.Where]int64{}, PollAge: map[string]time.Duration{},
		InFlight: map[metrics.Topic]metrics.InFlight{}, Paused: map[metrics.Pause]int{},
	}
	for _, g := range p.engine.Groups() {
		st.Buffered[g.Group], st.PollAge[g.Group] = g.Buffered, g.PollAge
		for _, reason := range pauseReasons {
			st.Paused[metrics.Pause{Group: g.Group, Reason: reason}] = 0
		}
		for _, reason := range g.Paused {
			st.Paused[metrics.Pause{Group: g.Group, Reason: reason}]++
		}
	}
	for _, s := range p.engine.Status() {
		for _, reason := range s.Paused {
			if reason != callbacks.PausedQuiet { // holds for the group
				st.Paused[metrics.Pause{Group: s.Group, Reason: reason}]++
			}
		}
		if s.HighWatermark >= 0 && s.State == "fetching" {
			st.Lag[callbacks.Where{Group: s.Group, Topic: s.Topic, Partition: s.Partition}] = s.Lag
		}
		key := metrics.Topic{Group: s.Group, Topic: s.Topic}
		f := st.InFlight[key]
		if s.Busy > 0 {
			f.Handlers++
			f.Oldest = max(f.Oldest, s.Busy)
		}
		st.InFlight[key] = f
	}
	return st
}
