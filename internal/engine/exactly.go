package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/offsets"
)

// transactor makes the transactions of a group drawn with ExactlyOnce. Outputs stay with their worker until handlers have succeeded. Then
// deliveries are finished: their outputs go into the transaction and the position moves, both behind a gate that is shared by the group's
// workers. A commit shuts the gate: what was finished is in the transaction with outputs and offset, and nothing else is.
//
// Brokers fence members and producers, not the partitions that a member has lost: that nothing of those is finished or committed is up to
// the gate and the assignment, as it is up to the committer's lock elsewhere. The committer's lock is taken before the gate.
type transactor struct {
	r *runner

	gate    sync.RWMutex
	refused atomic.Pointer[refusal] // the transaction must not be committed; an output that was refused, or why else
	noMu    sync.Mutex
	nos     map[kafka.TopicPartition]*refusals // what of each partition was refused
	begin   sync.Mutex                         // with the gate shared
	client  kafka.Transactions                 // nil: to be made
	begun   atomic.Bool                        // written with begin or with the gate shut
	since   time.Time                          // when it was begun
	// With the gate shut:
	suspects map[kafka.TopicPartition]stretch // records whose outputs were refused: they go alone
	failures int                              // transactions undone, one after the other
	fenced   int
}

// refusals are those of one partition. A broker refuses a whole batch for one of its records, so which of them it was shows when they
// go alone.
type refusals struct {
	first *refusal
	last  int64
}

type stretch struct{ first, last int64 }

const (
	// endTransaction bounds the end of a transaction, with the flush before it.
	endTransaction = time.Minute
	// abortTransaction bounds an abort, after which a new client ends what the old one could not.
	abortTransaction = 10 * time.Second
	// mostFenced is how often in a row another producer may take the transactional id before that is no accident.
	mostFenced = 3
)

// errUndone: what the delivery has finished, or was about to, is undone with its transaction.
var errUndone = errors.New("its transaction is aborted, and it is handled again")

func newTransactor(r *runner) *transactor {
	return &transactor{r: r, nos: map[kafka.TopicPartition]*refusals{}, suspects: map[kafka.TopicPartition]stretch{}}
}

// suspect is the stretch of a partition's records whose outputs were refused. While an assignment lasts there is no other: whoever refuses
// ends it.
func (t *transactor) suspect(tp kafka.TopicPartition) (stretch, bool) {
	t.gate.RLock()
	defer t.gate.RUnlock()
	s, ok := t.suspects[tp]
	return s, ok
}

// finish shares the gate.
func (t *transactor) finish(x *exactly, at position) error {
	a := x.a
	t.gate.RLock()
	outs, _ := x.take()
	if len(outs) == 0 {
		t.gate.RUnlock()
		if a.finish(at) {
			return nil
		}
		return errUndone
	}
	err := t.add(a, outs)
	ok := err == nil && a.finish(at)
	t.gate.RUnlock()
	if ok {
		return nil
	}
	t.r.committer.soon()
	select { // the assignment ends: its worker goes no further
	case <-a.ctx.Done():
	case <-a.closing:
	}
	return errUndone
}

// add sends outputs, and keeps outs for as long. It is called with the gate.
func (t *transactor) add(a *assignment, outs []written) error {
	if a.is(stateClosed) || t.refused.Load() != nil {
		return errUndone
	}
	if err := t.open(); err != nil {
		t.refuse(&refusal{offset: -1, err: err})
		return err
	}
	promise := func(out *kgo.Record, err error) {
		if err != nil { // one for all: a closure for each record would cost more than to look for it here
			of := slices.IndexFunc(outs, func(w written) bool { return w.out == out })
			t.refuse(&refusal{tp: a.tp, offset: outs[of].offset, topic: out.Topic, err: err})
		}
	}
	for _, w := range outs {
		t.client.Produce(t.r.e.base, a.source(w.offset), w.out, promise)
	}
	return nil
}

// refuse says that the transaction must not be committed.
func (t *transactor) refuse(no *refusal) {
	if no.offset >= 0 {
		t.noMu.Lock()
		all := t.nos[no.tp]
		if all == nil {
			all = &refusals{first: no, last: no.offset}
			t.nos[no.tp] = all
		}
		if no.offset < all.first.offset {
			all.first = no
		}
		if kafka.OneOfBatch(no.err) {
			all.last = max(all.last, no.offset)
		}
		t.noMu.Unlock()
	}
	if t.refused.CompareAndSwap(nil, no) {
		t.r.committer.soon()
	}
}

// open begins a transaction, if none is open.
func (t *transactor) open() (err error) {
	if t.begun.Load() {
		return nil
	}
	t.begin.Lock()
	defer t.begin.Unlock()
	if t.begun.Load() {
		return nil
	}
	if t.client == nil {
		if t.client, err = t.r.e.settings.Connect.Transactions(t.r.id); err != nil {
			return fmt.Errorf("make client: %w", err)
		}
	}
	if err := t.client.Begin(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	t.since = time.Now()
	t.begun.Store(true)
	return nil
}

// alone finishes a delivery in a transaction of its own, after what the others have finished is committed: when its outputs are refused,
// nothing of theirs is undone, and the record has failed.
func (t *transactor) alone(a *assignment, outs []written, at position) error {
	c := t.r.committer
	c.mu.Lock()
	defer c.mu.Unlock()
	t.gate.Lock()
	defer t.gate.Unlock()
	if a.is(stateClosed) {
		return errUndone
	}
	if t.begun.Load() || t.refused.Load() != nil {
		if err := t.end(t.r.e.base, t.due(nil)); err != nil {
			return errUndone
		}
	}
	ctx, cancel := context.WithTimeout(t.r.e.base, endTransaction)
	defer cancel()
	err := t.add(a, outs)
	if err == nil {
		err = t.flush(ctx)
	}
	if err == nil {
		if s, ok := t.suspects[a.tp]; ok && at.offset > s.last {
			delete(t.suspects, a.tp)
		}
		a.finish(at)
		return nil
	}
	topic := outs[0].out.Topic
	if no := t.refused.Load(); no != nil && no.topic != "" {
		topic = no.topic
	}
	t.abort(err)
	t.r.emit(callbacks.ProduceFailed{Where: a.where(), Offset: outs[0].offset, Output: topic, Err: err})
	return &outputError{topic: topic, err: err}
}

// flush waits until every output is acknowledged, and returns why one was not.
func (t *transactor) flush(ctx context.Context) error {
	if err := t.client.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if no := t.refused.Load(); no != nil {
		return no.err
	}
	return nil
}

// ready is what may be committed, of assignments that go on and of those that do not.
type ready struct {
	offsets kafka.Offsets
	as      []*assignment
}

// due collects what is done: of all assignments, and those that are sealed with it. It is called with the gate shut.
func (t *transactor) due(sealed []*assignment) ready {
	d := ready{offsets: kafka.Offsets{}}
	seen := map[*assignment]bool{}
	for _, a := range sealed {
		seen[a] = true
		a.exact.Load().sealed()
		if at, ok := a.seal(); ok {
			d.offsets[a.tp], d.as = at, append(d.as, a)
		}
	}
	for _, a := range t.r.all() {
		if at, ok := a.committable(); ok && !seen[a] {
			d.offsets[a.tp], d.as = at, append(d.as, a)
		}
	}
	return d
}

// commit commits what is done, and with it closes the given assignments. Without store, nothing of those may be committed: what they have
// finished since the last commit is in the transaction, so all of it is undone. It is called with the committer's lock.
func (t *transactor) commit(ctx context.Context, sealed []*assignment, store bool) error {
	t.gate.Lock()
	defer t.gate.Unlock()
	if t.r.disown() && t.begun.Load() {
		t.undo(offsets.ErrRevoked)
	}
	if !store {
		for _, a := range sealed {
			a.seal()
		}
		if len(sealed) > 0 && t.begun.Load() {
			t.undo(offsets.ErrRevoked)
		}
		return nil
	}
	return t.end(ctx, t.due(sealed))
}

// end commits, or undoes what it cannot commit. It is called with the gate shut.
func (t *transactor) end(ctx context.Context, d ready) error {
	if !t.begun.Load() && t.refused.Load() == nil {
		return t.r.committer.send(ctx, d.offsets, d.as)
	}
	ctx, cancel := context.WithTimeout(ctx, endTransaction)
	defer cancel()
	err := t.store(ctx, d.offsets)
	if err == nil {
		t.failures, t.fenced = 0, 0
		t.begun.Store(false)
		for _, a := range d.as {
			t.r.emit(callbacks.Committed{Where: a.where(), Offset: d.offsets[a.tp].Offset})
			a.stored(d.offsets[a.tp])
		}
		return nil
	}
	for _, a := range d.as {
		t.r.emit(callbacks.CommitFailed{Where: a.where(), Offset: d.offsets[a.tp].Offset, Err: err})
	}
	t.undo(err)
	return err
}

func (t *transactor) store(ctx context.Context, at kafka.Offsets) error {
	if no := t.refused.Load(); no != nil {
		return no.err
	}
	if err := t.flush(ctx); err != nil {
		return err
	}
	if len(at) > 0 {
		id, err := t.client.Identity(ctx)
		if err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
		if err := t.r.client.AddOffsets(ctx, id, at); err != nil {
			return err //nolint:wrapcheck // as above
		}
	}
	if err := t.client.End(ctx, true); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// abort ends a transaction in which nothing counts. When the client cannot, another one takes its id, which ends what it has open; else the
// broker does when producer.transaction_timeout is over, and until then nobody learns where the partitions stand.
func (t *transactor) abort(why error) {
	t.fatal(why)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.r.e.base), abortTransaction)
	defer cancel()
	if t.client != nil && !t.ended(ctx) {
		t.client.Close()
		t.client = nil
		if other, err := t.r.e.settings.Connect.Transactions(t.r.id); err == nil {
			t.client = other
			_, _ = other.Identity(ctx) // else with the next transaction
		}
	}
	t.begun.Store(false)
	t.refused.Store(nil)
	t.noMu.Lock()
	clear(t.nos)
	t.noMu.Unlock()
}

// ended aborts what the client has open. A producer id that it gave up meanwhile it asks for anew, which is the abort then.
func (t *transactor) ended(ctx context.Context) bool {
	if !t.begun.Load() || t.client.End(ctx, false) != nil {
		return false
	}
	_, err := t.client.Identity(ctx)
	return err == nil
}

// fatal stops the process for what no other attempt heals.
func (t *transactor) fatal(why error) {
	switch {
	case errors.Is(why, kerr.TransactionalIDAuthorizationFailed):
		t.r.e.fatal(fmt.Errorf("group %q: not authorised for its transactional id: allow WRITE and DESCRIBE on it, "+
			"or set producer.transactional_id to one that is allowed: %w", t.r.id, why))
	case errors.Is(why, kerr.ProducerFenced):
		if t.begun.Load() && time.Since(t.since) >= t.r.settings.TransactionTimeout {
			return // its time was over: the cluster has ended it, and nobody else has the id
		}
		t.fenced++
		if t.fenced >= mostFenced {
			t.r.e.fatal(fmt.Errorf("group %q: another process has the same transactional id: give each its own "+
				"producer.transactional_id or group.instance_id: %w", t.r.id, why))
		}
	}
}

// undo aborts the transaction: everything finished since the last commit is handled again, by new epochs of all partitions that are left.
// They begin at what the broker has, which is where a commit of unknown outcome shows.
func (t *transactor) undo(why error) {
	t.noMu.Lock()
	for tp, all := range t.nos {
		no := all.first
		t.suspects[tp] = stretch{no.offset, max(no.offset, all.last)}
		t.r.emit(callbacks.ProduceFailed{Where: t.r.at(tp), Offset: no.offset, Output: no.topic, Err: no.err})
	}
	t.noMu.Unlock()
	t.abort(why)
	pause := min(undonePause<<min(t.failures, 16), mostUndonePause)
	t.failures++
	t.r.emit(callbacks.TransactionAborted{Group: t.r.id, Err: why})
	for _, a := range t.r.all() {
		ours := a.beginClose()
		a.seal()
		a.cancel(offsets.ErrRevoked)
		if !ours { // it is on its way out already: whoever closed it goes on
			continue
		}
		t.r.tasks.Go(func() {
			select {
			case <-time.After(pause):
			case <-t.r.abandoning:
				return
			}
			t.r.inBetween(func() { t.r.again(a) })
		})
	}
}

const (
	undonePause     = 10 * time.Millisecond
	mostUndonePause = 5 * time.Second
)

// close ends the client.
func (t *transactor) close() {
	t.gate.Lock()
	defer t.gate.Unlock()
	if t.client != nil {
		t.client.Close()
		t.client = nil
	}
}
