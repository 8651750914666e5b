package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// Batches on a route whose handlers run side by side: up to so many records of a partition whose keys' turn it is, and what follows each in
// its key. So a key is in one batch at a time, and in order in it.

// fate is what records of one batch have in common: those that failed together are delivered together again, and some are delivered alone.
type fate struct {
	failed *failure
	alone  bool
}

func (n *node) fate() fate {
	if n.past == nil {
		return fate{}
	}
	return fate{failed: n.past.fail, alone: n.past.alone}
}

// ripe reports whether there is a batch to hand over: a full one, one whose wait is over, or one that nothing more can join.
func (k *keys) ripe() bool {
	spec := &k.p.route.spec
	k.feed(spec.BatchSize)
	if k.ready.len() == 0 {
		return false
	}
	if spec.BatchWait <= 0 || k.waited || k.full || k.nodes[k.ready.at(0)].fate() != (fate{}) {
		return true
	}
	n := 0
	for r := 0; r < k.ready.len() && n < spec.BatchSize; r++ {
		for i := k.ready.at(r); i != none && n < spec.BatchSize; i = k.nodes[i].behind {
			n++
		}
	}
	if n >= spec.BatchSize {
		return true
	}
	if k.waiting == nil {
		k.waiting = time.AfterFunc(spec.BatchWait, func() {
			k.p.mu.Lock()
			defer k.p.unlock()
			k.waited = true
			k.p.enlist(k)
		})
	}
	return false
}

// gather claims a batch.
func (l *lane) gather(want int) {
	k := l.k
	if k.waiting != nil {
		k.waiting.Stop()
	}
	k.waiting, k.waited = nil, false
	clear(l.claims[:cap(l.claims)])
	l.claims = l.claims[:0]
	first := k.nodes[k.ready.at(0)].fate()
	if first.alone {
		want = 1
	}
	for len(l.claims) < want && k.ready.len() > 0 && k.nodes[k.ready.at(0)].fate() == first {
		for i := k.ready.pop(); i != none && len(l.claims) < want && k.nodes[i].fate() == first; i = k.nodes[i].behind {
			l.claims = append(l.claims, claim{})
			k.claimed(&l.claims[len(l.claims)-1], i)
		}
	}
	slices.SortFunc(l.claims, func(a, b claim) int { return cmp.Compare(a.rec.Offset, b.rec.Offset) })
	l.place.Store(1<<32 | 1) // nothing to give to others, and the first one is shown as in progress
}

// claimed notes that a lane has a record.
func (k *keys) claimed(c *claim, i int32) {
	n := &k.nodes[i]
	n.state = nodeRuns
	c.node, c.rec, c.begun, c.skipped, c.err, c.tries, c.fail = i, n.rec, false, false, nil, 0, nil
	if n.past != nil {
		c.tries, c.fail = n.past.tries, n.past.fail
	}
}

// runBatch calls the handler for all that is claimed.
func (l *lane) runBatch(ctx context.Context) {
	a, first := l.k.a, &l.claims[0]
	if a.state.Load() != int32(stateFetching) || a.paused.Load() != 0 {
		return
	}
	l.since.Store(max(l.p.e.clock.now.Load(), 1))
	if first.fails() { // on its way to another topic: it is not handled again
		first.begun = true
		return
	}
	d := l.first
	if first.tries > 0 {
		d = &delivery{a: a, out: l.out, attempt: first.tries + 1}
	}
	if l.p.route.tracked || cap(l.msgs) < len(l.claims) { // where handlers mark, messages may be kept
		l.msgs = make([]consumer.Message, 0, len(l.claims))
	}
	clear(l.msgs[:cap(l.msgs)])
	l.msgs = l.msgs[:0]
	for i := range l.claims {
		l.msgs = append(l.msgs, consumer.NewMessage(l.claims[i].rec, d))
	}
	if l.timed != nil {
		ctx = l.timed.start()
	}
	l.batch.Reset(l.msgs)
	l.calling = 0
	err := l.p.chain.HandleBatch(ctx, &l.batch)
	l.calling = -1
	l.returned(err)
}

// returned sorts out what a batch's error says: what is done, and whether one failed or all.
func (l *lane) returned(err error) {
	done, elapsed := len(l.claims), time.Duration(max(l.p.e.clock.read()-l.since.Load(), 0))
	if err != nil {
		done = -1
		if at := consumer.VerdictOf(err).At; at != nil {
			done = slices.IndexFunc(l.claims, func(c claim) bool { return c.rec == at.Record })
		} else if len(l.claims) == 1 {
			done = 0
		}
	}
	if done < 0 {
		l.whole = &failure{err: err, elapsed: elapsed, whole: true, last: l.claims[len(l.claims)-1].rec.Offset}
		return
	}
	for i := range l.claims[:done] {
		l.claims[i].begun = true
	}
	if done < len(l.claims) {
		c := &l.claims[done]
		c.begun, c.err, l.elapsed = true, err, elapsed
	}
	for _, m := range l.batch.Skipped() {
		if i := slices.IndexFunc(l.claims[:done], func(c claim) bool { return c.rec == m.Record }); i >= 0 {
			l.claims[i].skipped = true
		}
	}
}

// refuse fails a batch because an output of it was refused.
func (l *lane) refuse(err error) {
	for i := range l.claims {
		l.claims[i].begun, l.claims[i].err, l.claims[i].skipped = false, nil, false
	}
	l.batch.Reset(nil)
	l.returned(err)
}

// resolveWhole decides about a batch that failed as a whole. Its records stay together until they are delivered alone.
func (l *lane) resolveWhole(f *failure) {
	a, first := l.k.a, l.claims[0].rec.Offset
	if context.Cause(a.ctx) != nil { // a cancelled handler's error is not a failure
		l.emit(callbacks.Stale{Where: a.where(), First: first, Last: f.last, Epoch: a.epoch, Err: f.err})
		return
	}
	tries := l.claims[0].tries + 1
	l.tellFailed(f, first, f.last, tries)
	v, steps, over := a.route.judge(f.err, tries)
	if !a.is(stateFetching) && v.Kind != consumer.KindSkip {
		return // failed while draining: the next owner gets it
	}
	if v.Kind == consumer.KindRetry || v.Kind == consumer.KindRetryAfter {
		if until := a.route.breaker.failed(); !until.IsZero() { // it is not the records' fault: the attempt does not count
			l.parkAll(f, tries-1, time.Until(until))
			return
		}
	}
	if v.Kind == consumer.KindPostpone {
		tries--
	}
	switch {
	case v.Kind == consumer.KindSkip:
		for i := range l.claims {
			l.pass(&l.claims[i], f.err)
		}
	case over: // find out which of them it is
		l.p.mu.Lock()
		for _, c := range slices.Backward(l.claims) {
			l.k.single(c.node)
			l.k.giveBack(c)
		}
		l.p.enlist(l.k)
		l.p.unlock()
	default:
		delay := l.delay(steps, tries, v)
		l.emit(callbacks.Retried{Where: a.where(), Offset: first, Attempt: tries + 1, Delay: delay, Err: f.err})
		l.parkAll(f, tries, delay)
	}
}

// delay is how long to wait for the next attempt.
func (l *lane) delay(steps router.Failure, tries int, v consumer.Verdict) time.Duration {
	if v.Kind == consumer.KindRetryAfter || v.Kind == consumer.KindPostpone {
		return v.After
	}
	return l.p.e.settings.Jitter(backoff(steps, tries))
}

// single makes a record that failed with others one to be delivered alone, from its first attempt on.
func (k *keys) single(i int32) {
	if k.closing {
		return
	}
	was := k.nodes[i].was()
	if was.fail != nil {
		k.parked--
	}
	if was.timer != nil {
		was.timer.Stop()
	}
	was.fail, was.tries, was.timer, was.alone = nil, 0, nil, true
}

// parkAll keeps a batch that failed from being handed over for a while, and what follows in its keys.
func (l *lane) parkAll(f *failure, tries int, delay time.Duration) {
	k := l.k
	l.p.mu.Lock()
	defer l.p.unlock()
	if k.closing || k.ended {
		return
	}
	f.until = time.Now().Add(delay)
	type parked struct {
		node int32
		seq  uint64
	}
	batch := make([]parked, len(l.claims))
	for i, c := range l.claims {
		n := &k.nodes[c.node]
		was := n.was()
		if was.fail == nil {
			k.parked++
		}
		was.fail, was.tries = f, tries
		n.state = nodeWaits
		if k.leads(c.node) {
			n.state = nodeParked
		}
		batch[i] = parked{c.node, n.seq}
	}
	for _, b := range batch {
		if k.nodes[b.node].state != nodeParked {
			continue
		}
		for i := b.node; i != none; i = k.nodes[i].behind {
			k.clone(i)
		}
	}
	k.nodes[batch[0].node].past.timer = time.AfterFunc(delay, func() {
		k.p.mu.Lock()
		defer k.p.unlock()
		if k.closing || k.ended {
			return
		}
		for _, b := range batch {
			n := &k.nodes[b.node]
			if n.seq == b.seq && n.state == nodeParked && n.past.fail == f {
				n.state = nodeReady
				k.ready.push(b.node)
			}
		}
		k.p.enlist(k)
	})
}

// leads reports whether a record is the next of its key.
func (k *keys) leads(i int32) bool {
	return k.p.key == nil || k.heads.find(k.nodes, k.nodes[i].hash) == i
}

// narrow delivers the records of a batch that failed one by one, for an operator.
func (k *keys) narrow(f *failure) {
	for i := k.first; i != none; i = k.nodes[i].next {
		n := &k.nodes[i]
		if n.past == nil || n.past.fail != f {
			continue
		}
		k.single(i)
		if n.state == nodeParked {
			n.state = nodeReady
			k.ready.push(i)
		}
	}
	k.p.enlist(k)
}

// giveUp skips a record for an operator. One of a batch that failed as a whole is skipped when it has failed alone.
func (k *keys) giveUp(ctx context.Context, offset int64) error {
	again := time.NewTicker(skipAgain)
	defer again.Stop()
	for narrowed := false; ; {
		open, err := k.skip(offset)
		switch {
		case errors.Is(err, errNarrowed):
			narrowed = true
		case !errors.Is(err, ErrNotBlocking) || !narrowed || !open:
			return err
		}
		select {
		case <-again.C:
		case <-k.a.closing:
			return ErrNotAssigned
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
