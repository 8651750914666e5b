package engine

import (
	"context"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// exactly is between a worker and its handlers: it keeps their outputs, and finishes what has succeeded. Records that are handed over one
// by one to a quick handler it finishes together: some at a time, and at the latest when the worker publishes how far it is, after a
// millisecond or at the end of a run.
type exactly struct {
	t     *transactor
	a     *assignment
	each  consumer.Handler
	chain consumer.BatchHandler

	offset  int64     // of the attempt in progress
	attempt []written // its outputs
	suspect stretch   // which goes alone
	asked   bool      // suspect is known

	mu      sync.Mutex // with the gate, where both are needed: whoever seals the assignment takes what has succeeded, too
	outs    []written  // of what has succeeded and is not finished; never used again
	size    int        // of the outs before
	records int        // outs are of so many
	reached position   // behind the last of them
}

// written is an output, and the offset of what it was written for.
type written struct {
	out    *kgo.Record
	offset int64
}

// manyOutputs are more than are worth keeping the memory for.
const manyOutputs = 1024

// together is how many records with outputs are finished at once, at most.
const together = 16

// send implements sender.
func (x *exactly) send(_ *delivery, _, out *kgo.Record) {
	x.mu.Lock() // a handler may have goroutines of its own
	x.attempt = append(x.attempt, written{out, x.offset})
	x.mu.Unlock()
}

// Handle implements consumer.Handler.
func (x *exactly) Handle(ctx context.Context, m *consumer.Message) error {
	x.begin(m.Offset)
	if err := x.each.Handle(ctx, m); err != nil {
		return err //nolint:wrapcheck // the handler's own
	}
	return x.succeeded(m.Offset, m.Attempt(), position{m.Offset + 1, m.LeaderEpoch})
}

// HandleBatch implements consumer.BatchHandler.
func (x *exactly) HandleBatch(ctx context.Context, b *consumer.Batch) error {
	first, last, attempt := b.First().Record, b.Last().Record, b.First().Attempt()
	x.begin(first.Offset)
	err := x.chain.HandleBatch(ctx, b)
	if err == nil {
		return x.succeeded(last.Offset, attempt, position{last.Offset + 1, last.LeaderEpoch})
	}
	at := consumer.VerdictOf(err).At
	if at == nil || at.Record == first {
		return err //nolint:wrapcheck // the handler's own
	}
	if undone := x.succeeded(at.Offset-1, attempt, position{at.Offset, at.LeaderEpoch}); undone != nil {
		return undone
	}
	return err //nolint:wrapcheck // as above
}

// begin forgets what a failed attempt wrote.
func (x *exactly) begin(offset int64) {
	x.offset = offset
	clear(x.attempt)
	if x.attempt = x.attempt[:0]; cap(x.attempt) > manyOutputs {
		x.attempt = nil
	}
}

// succeeded takes the outputs of the attempt, of records up to last, after which the position is at. Without outputs there is nothing that
// must go together.
func (x *exactly) succeeded(last int64, attempt int, at position) error {
	if len(x.attempt) == 0 {
		return nil
	}
	if attempt > 1 || x.isSuspect(last) {
		x.mu.Lock()
		first := len(x.outs) > 0
		x.mu.Unlock()
		if first && !x.flush(position{x.offset, at.epoch}) {
			return errUndone
		}
		return x.t.alone(x.a, slices.Clone(x.attempt), at)
	}
	x.mu.Lock()
	if x.outs == nil {
		x.outs = make([]written, 0, max(x.size, len(x.attempt)))
	}
	x.outs, x.reached = append(x.outs, x.attempt...), at
	x.records++
	// Where handlers are slow, a record that was quick must not wait for one that is not.
	wait := last == x.offset && x.records < together && !x.a.slow.Load()
	x.mu.Unlock()
	if wait || x.flush(at) {
		return nil
	}
	return errUndone
}

// isSuspect reports whether an output of the records from offset to last was refused before.
func (x *exactly) isSuspect(last int64) bool {
	if !x.asked {
		x.asked = true
		var some bool
		if x.suspect, some = x.t.suspect(x.a.tp); !some {
			x.suspect = stretch{0, -1}
		}
	}
	return x.suspect.first <= last && x.offset <= x.suspect.last
}

// flush finishes what has succeeded. It reports false when it is undone.
func (x *exactly) flush(at position) bool { return x.t.finish(x, at) == nil }

// take returns the outputs of what has succeeded, and the position behind it. It is called with the gate.
func (x *exactly) take() ([]written, position) {
	x.mu.Lock()
	defer x.mu.Unlock()
	outs := x.outs
	x.outs, x.size, x.records = nil, len(outs), 0
	return outs, x.reached
}

// sealed finishes what has succeeded before the assignment ends. Who seals may not wait for the worker, whose handler may have asked for
// it: after a seek nothing would hand over again what lies before it. It is called with the gate shut. A nil one, of a worker that has not
// begun, has nothing.
func (x *exactly) sealed() {
	if x == nil {
		return
	}
	if outs, at := x.take(); len(outs) > 0 && x.t.add(x.a, outs) == nil {
		x.a.finish(at)
	}
}

// reach publishes the position, with what has succeeded up to there.
func (x *exactly) reach(at position, _ int) bool {
	x.begin(at.offset)
	return x.flush(at)
}
