package engine

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// exactly is between a worker and its handlers: it keeps their outputs, and finishes what has succeeded.
type exactly struct {
	t     *transactor
	a     *assignment
	each  consumer.Handler
	chain consumer.BatchHandler
	outs  []*kgo.Record // in memory that is used again
}

// send implements sender.
func (x *exactly) send(_ *delivery, _, out *kgo.Record) { x.outs = append(x.outs, out) }

// Handle implements consumer.Handler.
func (x *exactly) Handle(ctx context.Context, m *consumer.Message) error {
	x.reset()
	if err := x.each.Handle(ctx, m); err != nil {
		return err //nolint:wrapcheck // the handler's own
	}
	return x.finish(m.Record, m.Attempt(), position{m.Offset + 1, m.LeaderEpoch})
}

// HandleBatch implements consumer.BatchHandler.
func (x *exactly) HandleBatch(ctx context.Context, b *consumer.Batch) error {
	x.reset()
	first, last, attempt := b.First().Record, b.Last().Record, b.First().Attempt()
	err := x.chain.HandleBatch(ctx, b)
	if err == nil {
		return x.finish(first, attempt, position{last.Offset + 1, last.LeaderEpoch})
	}
	at := consumer.VerdictOf(err).At
	if at == nil || at.Record == first {
		return err //nolint:wrapcheck // the handler's own
	}
	if undone := x.finish(first, attempt, position{at.Offset, at.LeaderEpoch}); undone != nil {
		return undone
	}
	return err //nolint:wrapcheck // as above
}

// finish puts outputs into the transaction, and moves the position with them. Without outputs there is nothing that must go together.
func (x *exactly) finish(rec *kgo.Record, attempt int, at position) error {
	defer x.reset()
	switch {
	case len(x.outs) == 0:
		return nil
	case attempt > 1:
		return x.t.alone(x.a, rec, x.outs, at)
	}
	return x.t.finish(x.a, rec, x.outs, at)
}

// reset forgets outputs: of an attempt that failed, or that are in the transaction.
func (x *exactly) reset() {
	clear(x.outs)
	x.outs = x.outs[:0]
}
