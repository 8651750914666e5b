package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

const (
	// storeTimeout bounds what a store is asked for. What is cut off may have taken effect: it is found out.
	storeTimeout = 10 * time.Second
	// claimTimeout bounds claiming while the group waits for positions. What takes longer goes on by itself.
	claimTimeout = 3 * time.Second
	// claimsAtOnce is how many partitions are claimed at the same time.
	claimsAtOnce = 8
	// reclaimAfter is for how long a fenced partition waits to be taken away before it is claimed anew: some sessions. It comes to that
	// when the claim that fenced it was this process's own, which had been given up and was made late, or when somebody claims by hand.
	reclaimAfter = time.Minute
)

// external is what a worker of a route with ExternalOffsets knows of the store. Its rule: recs[i] is where the worker is, at is what the
// store has, and what lies between counts as done only when the store has it too. Each delivery is a unit of work; what is passed without
// one (control records, what filters drop, what is skipped or forwarded) rides with the next unit, or is moved past at the window's end.
type external struct {
	w     *worker
	claim offsets.Claim
	at    position // what the store has

	owed    bool  // a record before recs[i] was skipped or forwarded: the store is told at once
	before  int64 // batch: the next delivery ends before this offset; -1 for none
	trouble error // what the store answered last
	tries   int   // how often in turn
	// doubt is set while nobody knows whether the store has moved there; by a unit, if it was one: then recs[i:end] were handled in it.
	doubt *position
	unit  bool
	end   int
}

// errAside ends a run without a failure: the worker has something to do about the store first.
var errAside = errors.New("the store comes first")

// newExternal puts the unit of work around everything that the route does with a record or a batch.
func newExternal(w *worker) *external {
	a := w.a
	a.mu.Lock()
	x := &external{w: w, claim: a.claim, at: a.pos, before: -1}
	a.mu.Unlock()
	if each := w.each; each != nil {
		w.each = consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
			return x.deliver(ctx, func(ctx context.Context) error { return each.Handle(ctx, m) })
		})
	}
	if chain := w.chain; chain != nil {
		w.chain = consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			return x.deliver(ctx, func(ctx context.Context) error { return chain.HandleBatch(ctx, b) })
		})
	}
	return x
}

// deliver hands over in a unit of work.
func (x *external) deliver(ctx context.Context, hand func(context.Context) error) error {
	unit, err := x.begin()
	if err != nil {
		x.trouble = err
		return errAside
	}
	open := true
	defer func() {
		if open { // it failed, or panicked
			unit.Rollback()
		}
	}()
	if t := x.w.timed; t != nil {
		ctx = t.start() // the time that the store took to begin is not the handler's
	}
	if err = hand(unit.Context(ctx)); err != nil {
		return x.split(err)
	}
	a := x.w.a
	if cause := context.Cause(a.ctx); cause != nil {
		return cause // its result is dropped, and the worker tells of it
	}
	open = false
	end := x.reach()
	to := x.w.behind(end)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), storeTimeout)
	defer cancel()
	if err = unit.Commit(bounded, x.stamped(to)); err != nil {
		x.trouble, x.doubt, x.unit, x.end = err, &to, true, end
		return errAside
	}
	x.has(to)
	return nil
}

// begin bounds how long a unit may take to begin, and ties its life to the assignment's.
func (x *external) begin() (offsets.Unit, error) {
	life, cancel := context.WithCancelCause(x.w.a.ctx)
	late := time.AfterFunc(storeTimeout, func() { cancel(context.DeadlineExceeded) })
	unit, err := x.claim.Begin(life)
	if err != nil {
		late.Stop()
		cancel(nil)
		return nil, err
	}
	if !late.Stop() {
		unit.Rollback()
		return nil, fmt.Errorf("the unit of work began too late: %w", context.DeadlineExceeded)
	}
	return endedUnit{unit, cancel}, nil
}

// endedUnit frees the unit's context with its end.
type endedUnit struct {
	offsets.Unit

	cancel context.CancelCauseFunc
}

func (u endedUnit) Commit(ctx context.Context, next offsets.Position) error {
	defer u.cancel(nil)
	return u.Unit.Commit(ctx, next)
}

func (u endedUnit) Rollback() {
	defer u.cancel(nil)
	u.Unit.Rollback()
}

// split lets a batch that failed at one of its records be handed over again up to there, because it cannot be committed in part.
func (x *external) split(err error) error {
	w := x.w
	at := consumer.VerdictOf(err).At
	if !w.batching() || at == nil || context.Cause(w.a.ctx) != nil {
		return err
	}
	end := x.reach()
	if i := indexOf(w.recs[w.i:end], at.Record, w.i); i > w.i {
		w.r.emit(callbacks.Failed{Where: w.a.where(), First: at.Offset, Last: at.Offset, Attempt: 1, Err: err})
		x.before = at.Offset
		return errAside
	}
	return err
}

// reach is behind the last record of the delivery in progress.
func (x *external) reach() int {
	if w := x.w; w.batching() && w.i >= w.alone {
		return w.end()
	}
	return x.w.i + 1
}

// endBefore is where a batch ends that was split; fallback if it was not.
func (x *external) endBefore(fallback int) int {
	if x == nil || x.before < 0 || x.w.recs[x.w.i].Offset >= x.before {
		return fallback
	}
	for i := x.w.i + 1; i < fallback; i++ {
		if x.w.recs[i].Offset >= x.before {
			return i
		}
	}
	return fallback
}

// behind is the position behind recs[:i]. i is positive.
func (w *worker) behind(i int) position {
	last := w.recs[i-1]
	return position{last.Offset + 1, last.LeaderEpoch}
}

func (x *external) stamped(at position) offsets.Position {
	return offsets.Position{Offset: at.offset, Epoch: at.epoch, Metadata: x.w.a.metadata}
}

// has notes what the store has.
func (x *external) has(at position) {
	x.at, x.owed, x.before, x.trouble, x.doubt, x.tries = at, false, -1, nil, nil, 0
}

// aside reports whether a run ended for the store's sake, which is no failure.
func (x *external) aside(err error) bool { return x != nil && errors.Is(err, errAside) }

// passed notes that recs[i-1] was skipped or forwarded after it had failed.
func (x *external) passed() {
	if x != nil {
		x.owed = true
	}
}

// lags reports whether the worker is past what the store has.
func (x *external) lags() bool { return x.w.i > 0 && x.w.behind(x.w.i).offset > x.at.offset }

// waits reports whether the store comes before what is to be handed over.
func (x *external) waits() bool {
	if x == nil {
		return false
	}
	return x.trouble != nil || x.doubt != nil || (x.owed || x.w.i == len(x.w.recs)) && x.lags()
}

// settle makes the store have what the worker has passed, and finds out what it has when that is in doubt. It returns false when the
// partition is going: then whoever claims it next finds out.
func (x *external) settle() bool {
	w := x.w
	if x.trouble != nil {
		if errors.Is(x.trouble, offsets.ErrFenced) {
			return x.fenced()
		}
		if !w.a.is(stateFetching) || !x.pause() {
			x.stale()
			return false
		}
	}
	bounded, cancel := context.WithTimeout(w.a.ctx, storeTimeout)
	defer cancel()
	if x.doubt == nil {
		if x.trouble = nil; x.lags() {
			x.move(bounded, w.behind(w.i))
		}
		return true
	}
	claim, stored, err := x.claim.Renew(bounded)
	if err != nil {
		x.trouble = err
		return true
	}
	w.a.own(claim)
	x.claim = claim
	switch to, why := *x.doubt, x.trouble; {
	case stored.Offset == to.offset:
		x.has(to)
		w.arrive(x)
	case stored.Offset != x.at.offset: // nobody who knows of the claim has moved it
		return x.fenced()
	case x.unit: // rolled back: the attempt has failed, and not before it was known
		x.has(x.at)
		w.attempt++
		w.fail = &failure{err: fmt.Errorf("commit in the store: %w", why)}
	default:
		x.trouble, x.doubt = nil, nil
	}
	return true
}

// move moves the position without a unit.
func (x *external) move(ctx context.Context, to position) {
	if err := x.claim.Move(ctx, x.stamped(to)); err != nil {
		x.trouble, x.doubt, x.unit = err, &to, false
		return
	}
	x.has(to)
	x.w.publish(false)
}

// arrive makes recs[i:end] count as handled, after it turned out that the store has them.
func (w *worker) arrive(x *external) {
	if x.unit {
		now := w.r.e.clock.read()
		w.base, w.seg, w.segStart = w.i, w.i, now
		w.i, w.attempt = x.end, 0
		w.report(w.i, now)
		w.a.handed.Store(w.behind(w.i).offset)
		w.a.current.Store(nil)
	}
	w.publish(true)
}

// pause waits before the store is asked again, and shows it. It returns false when the partition is going.
func (x *external) pause() bool {
	w := x.w
	offset := x.at.offset
	if w.i < len(w.recs) {
		offset = w.recs[w.i].Offset
	}
	w.r.emit(callbacks.StoreFailed{Where: w.a.where(), Offset: offset, Err: x.trouble})
	x.tries++
	delay := w.r.e.settings.Jitter(backoff(storeSteps, x.tries))
	w.a.current.Store(&progress{Offset: offset, Last: offset, Attempt: w.attempt, Err: x.trouble, Until: time.Now().Add(delay)})
	defer w.a.current.Store(nil)
	t := time.NewTimer(delay)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return true
		case s := <-w.a.skips:
			s.answer <- ErrNotBlocking // the store does
		case <-w.a.closing:
			return false
		}
	}
}

// flush is the last that the store hears of the worker, whose partition is going.
func (x *external) flush() {
	if x == nil || x.trouble != nil || x.doubt != nil || !x.lags() || context.Cause(x.w.a.ctx) != nil {
		return
	}
	bounded, cancel := context.WithTimeout(x.w.a.ctx, storeTimeout)
	defer cancel()
	x.move(bounded, x.w.behind(x.w.i))
}

// fenced ends the worker: the partition is another owner's.
func (x *external) fenced() bool {
	a := x.w.a
	x.stale()
	if a.is(stateFetching) { // else it is going anyway
		a.r.fence(a, x.at.offset)
	}
	return false
}

// stale tells of a delivery whose unit of work is another's to know about.
func (x *external) stale() {
	if w := x.w; x.doubt != nil && x.unit {
		w.r.emit(callbacks.Stale{
			Where: w.a.where(), First: w.recs[w.i].Offset, Last: w.recs[x.end-1].Offset, Epoch: w.a.epoch, Err: x.trouble,
		})
	}
}
