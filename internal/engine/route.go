package engine

import (
	"context"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

// route is a drawn route with what the configuration adds.
type route struct {
	spec     router.RouteSpec
	limit    *limiter
	tracked  bool // marks are not simply «all up to here»
	responds bool
	once     bool // AtMostOnce: committed before it is handed over
	reuse    bool // records and messages are used again
	mw       []consumer.Middleware
	filters  []consumer.Filter
	breaker  *breaker
	pool     *pool // by key and unordered: instead of a worker for each partition
}

// of is the route of one topic that a pattern matches: the pattern's own, so that they share its limit, unless the configuration says
// something about the topic.
func (p *route) of(e *Engine, topic string) *route {
	if _, ok := e.settings.Topics[topic]; !ok {
		return p
	}
	spec := p.spec
	spec.Topic = topic
	return newRoute(e, spec)
}

func newRoute(e *Engine, spec router.RouteSpec) *route {
	s := &e.settings
	if o, ok := s.Topics[spec.Topic]; ok {
		if o.Concurrency > 0 {
			spec.Concurrency = o.Concurrency
		}
		if o.BatchSize > 0 {
			spec.BatchSize = o.BatchSize
		}
		if o.BatchWait > 0 {
			spec.BatchWait = o.BatchWait
		}
	}
	filters := spec.Filters
	if spec.RetryOf != "" {
		filters = []consumer.Filter{untilDue{spec.RetryDelay}}
	}
	mw := append(append([]consumer.Middleware(nil), s.Middleware...), spec.Middleware...)
	p := &route{
		spec:     spec,
		limit:    newLimiter(spec.Concurrency),
		tracked:  spec.Offsets == offsets.Manual,
		responds: len(spec.Outputs) > 0,
		once:     spec.Offsets == offsets.AtMostOnce,
		reuse:    spec.Reuse,
		mw:       mw,
		filters:  filters,
	}
	p.breaker = newBreaker(spec.Breaker, spec.Group, spec.Topic, e.emit)
	if spec.Ordering.SideBySide() {
		p.pool = newPool(e, p)
	}
	return p
}

// eachHandler makes the end of a middleware chain of a handler that takes one record.
type eachHandler struct{ consumer.Handler }

func (h eachHandler) HandleBatch(ctx context.Context, b *consumer.Batch) error {
	for i := range b.Len() {
		if err := h.Handle(ctx, b.At(i)); err != nil {
			return err
		}
	}
	return nil
}
