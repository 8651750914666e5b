package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// Errors of the engine's life.
var (
	// ErrForced: the stop had to abandon handlers that did not return in time. Their records are not marked.
	ErrForced = errors.New("stopped by force: handlers did not return in time, their records will be delivered again")
	// ErrStarted: Start was called before.
	ErrStarted = errors.New("engine was started before: make a new one")
	// ErrStopped: the engine was stopped before it started.
	ErrStopped = errors.New("engine is stopped")
)

// Engine runs the routes of a process.
type Engine struct {
	settings Settings
	table    *router.Table
	base     context.Context //nolint:containedctx // the root of all handler contexts: a stop must not cancel them before they drained
	release  context.CancelFunc
	clock    *clock
	limit    *limiter
	feeds    []*feed
	producer kafka.Producer
	runners  []*runner

	mu      sync.Mutex
	phase   phase
	started chan struct{} // closed when Start has returned
	stopped chan struct{} // closed when Stop has finished
	stopErr error

	lookNow   chan struct{} // look at the topics now
	watchQuit context.CancelFunc
	watched   chan struct{} // closed when nobody looks any more; nil when nobody ever did

	control sync.Mutex // of what operators hold back: changed and passed on to assignments in one step
	quiet   bool

	fatalOnce sync.Once
	fatalErr  error
	failed    chan struct{}
}

type phase uint8

const (
	phaseNew phase = iota
	phaseStarting
	phaseRunning
	phaseStopping
)

// New makes an engine. Nothing happens before Start.
func New(table *router.Table, s Settings) *Engine {
	if s.Jitter == nil {
		s.Jitter = fullJitter
	}
	e := &Engine{
		settings: s, table: table,
		clock: newClock(), limit: newLimiter(s.Limit),
		lookNow: make(chan struct{}, 1), started: make(chan struct{}), stopped: make(chan struct{}), failed: make(chan struct{}),
	}
	e.base, e.release = context.WithCancel(context.Background())
	for _, l := range s.Listeners {
		e.feeds = append(e.feeds, newFeed(l))
	}
	return e
}

// Start connects, checks that the cluster answers and that the drawn topics exist, and begins consuming. After
// an error everything is closed
// again. ctx bounds Start itself and nothing after it.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	switch e.phase {
	case phaseNew:
		e.phase = phaseStarting
	case phaseStopping:
		e.mu.Unlock()
		return ErrStopped
	default:
		e.mu.Unlock()
		return ErrStarted
	}
	e.mu.Unlock()
	defer close(e.started)

	go e.clock.run()
	for _, f := range e.feeds {
		go f.run(e.base)
	}
	err := e.boot(ctx)
	e.mu.Lock()
	if err == nil {
		e.phase = phaseRunning
		e.mu.Unlock()
		return nil
	}
	e.phase = phaseStopping
	e.mu.Unlock()
	e.shutDown(context.Background())
	close(e.stopped)
	return err
}

func (e *Engine) boot(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start: %w", context.Cause(ctx))
	}
	if t := e.settings.BootTimeout; t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	if err := e.reach(ctx); err != nil {
		return err
	}
	var topics map[string]kafka.Topic
	if err := kafka.Patiently(ctx, func() (err error) {
		topics, err = e.bootTopics(ctx)
		return err
	}); err != nil {
		return err
	}
	for _, g := range e.table.Groups() {
		r := newRunner(e, g)
		r.learn(topics)
		if err := r.start(); err != nil {
			return err
		}
		e.mu.Lock()
		e.runners = append(e.runners, r)
		e.mu.Unlock()
	}
	if e.settings.TopicInterval > 0 {
		e.watched = make(chan struct{})
		watching, quit := context.WithCancel(e.base)
		e.watchQuit = quit
		go e.watchTopics(watching)
	}
	return nil
}

// reach connects, and asks for what the process may do.
func (e *Engine) reach(ctx context.Context) error {
	producer, err := e.settings.Connect.Producer()
	if err != nil {
		return fmt.Errorf("make producer: %w", err)
	}
	e.producer = producer
	if err := producer.Ping(ctx); err != nil {
		return fmt.Errorf("cannot connect to the cluster: %w", err)
	}
	return kafka.Patiently(ctx, func() error { return e.checkRights(ctx) })
}

// Check finds out what would keep Start from starting, as far as the cluster can tell, and changes nothing: missing topics are not made. It
// must not be called on an engine that is started, and is the only use of one that is not.
func (e *Engine) Check(ctx context.Context) error {
	if t := e.settings.BootTimeout; t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	defer func() {
		if e.producer != nil {
			e.producer.Close()
		}
		e.release()
	}()
	if err := e.reach(ctx); err != nil {
		return err
	}
	if e.settings.MissingTopics == MissingCreate {
		e.settings.MissingTopics = MissingWarn
	}
	return kafka.Patiently(ctx, func() error {
		_, err := e.bootTopics(ctx)
		return err
	})
}

// checkRights asks for everything at once that the routes need: a right that is missing would show one by one, and some of them late.
func (e *Engine) checkRights(ctx context.Context) error {
	need := kafka.Rights{Read: e.table.Topics(), Write: e.written()}
	for _, g := range e.table.Groups() {
		need.Groups = append(need.Groups, g.ID)
		if g.ExactlyOnce {
			need.ExactlyOnce = append(need.ExactlyOnce, g.ID)
		}
	}
	denied, err := e.producer.Denied(ctx, need)
	if err != nil {
		return fmt.Errorf("ask for the rights of this process: %w", err)
	}
	if len(denied) == 0 {
		return nil
	}
	text := make([]string, len(denied))
	for i, d := range denied {
		text[i] = d.String()
	}
	return fmt.Errorf("not authorised:\n  %s", strings.Join(text, "\n  "))
}

// written are the topics that the process writes to, each once.
func (e *Engine) written() []string {
	names := slices.AppendSeq(e.table.Outputs(), maps.Keys(e.table.FailureTopics()))
	slices.Sort(names)
	return slices.Compact(names)
}

// fatal ends the process with a reason. The first one counts.
func (e *Engine) fatal(err error) {
	e.fatalOnce.Do(func() {
		e.fatalErr = err
		close(e.failed)
		if e.settings.OnFatal != nil {
			go e.settings.OnFatal(err)
		}
	})
}

// Failed is closed when the engine cannot go on. Err tells why; Stop still drains and commits.
func (e *Engine) Failed() <-chan struct{} { return e.failed }

// Err returns why the engine cannot go on, nil while it can.
func (e *Engine) Err() error {
	select {
	case <-e.failed:
		return e.fatalErr
	default:
		return nil
	}
}
