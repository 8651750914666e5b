package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/router"
)

// aheadMost is how many records of an AtMostOnce route are committed before they are handed over.
const aheadMost = chunk

// errInDoubt: nobody knows whether the broker has the commit. If it does, the record is gone, else it is delivered to the next owner.
var errInDoubt = errors.New("at most once: its partition was taken away or the process stopped before the broker confirmed its commit, " +
	"and it is not handled if the commit was stored")

var errGivenUp = errors.New("at most once: it was committed before its partition was taken away or the process stopped, " +
	"and was not handled")

// commitAhead commits the next part of the window before any of it is handed over. It tries until the broker has it; false when the
// partition is going.
func (w *worker) commitAhead() bool {
	a := w.a
	end := len(w.recs)
	if !w.batching() {
		end = min(end, w.i+aheadMost)
	}
	last := w.recs[end-1]
	if !a.finish(position{last.Offset + 1, last.LeaderEpoch}) {
		return false
	}
	for wait := first; ; wait = min(2*wait, commitRetry) {
		refused := w.r.committer.commit(w.r.e.base, []*assignment{a}) // told by its events
		a.mu.Lock()
		has, closed := a.committed > last.Offset, a.closed
		a.mu.Unlock()
		switch {
		case closed:
			return false
		case has:
			w.ahead = end
			return true
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-a.closing:
			// The last commit of the partition stores what was to be handed over, and nobody would get it.
			t.Stop()
			a.takeBack(position{w.recs[w.i].Offset, w.recs[w.i].LeaderEpoch})
			if mayBeStored(refused) {
				w.tellSkipped(end, fmt.Errorf("%w: %w", errInDoubt, refused))
			}
			return false
		}
	}
}

// mayBeStored reports whether a commit that failed may have been stored all the same: unless the broker said what it did not do, nobody
// knows.
func mayBeStored(err error) bool {
	var answer *kerr.Error
	if !errors.As(err, &answer) {
		return err != nil
	}
	return errors.Is(answer, kerr.RequestTimedOut) || errors.Is(answer, kerr.UnknownServerError)
}

// first is the pause after the first commit that failed.
const first = 10 * time.Millisecond

// takeBack undoes a finish whose commit has not been stored.
func (a *assignment) takeBack(at position) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.committed <= at.offset {
		a.pos = at
	}
}

// goesOn reports whether records are handed over although their partition is going: they are committed, and it is now or never.
func (w *worker) goesOn() bool {
	return w.i < w.ahead && !w.a.is(stateFetching) && context.Cause(w.a.ctx) == nil
}

// giveUpOn passes what failed on a route without second attempts: the record, or what is left of a batch.
func (w *worker) giveUpOn(f *failure) bool {
	if w.route.spec.Failure.End == router.Stop {
		rec := w.recs[w.i]
		w.r.e.fatal(fmt.Errorf("group %q: record %s/%d@%d failed, is committed already (AtMostOnce), and its route draws Stop: %w",
			w.r.id, rec.Topic, rec.Partition, rec.Offset, f.err))
	}
	if w.batching() {
		w.passAll(f.err)
	} else {
		w.pass(f.err)
	}
	return true
}

// giveUpAhead tells of records that are committed and will not be handed over.
func (w *worker) giveUpAhead() {
	w.tellSkipped(w.ahead, errGivenUp)
	w.i = max(w.i, w.ahead)
}

func (w *worker) tellSkipped(end int, why error) {
	for i := w.i; i < end; i++ {
		if rec := w.recs[i]; !rec.Attrs.IsControl() {
			w.r.emit(callbacks.Skipped{Where: w.a.where(), Offset: rec.Offset, Err: why})
		}
	}
}
