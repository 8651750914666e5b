package engine

import (
	"context"
	"sync"
	"time"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

// Stop drains and stops: nothing is handed over any more, what is in progress may finish within Drain, is then
// cancelled and has Grace to
// return; what is done is committed, and the groups are left. When ctx ends before, Stop goes on by force at once. It returns
// ErrForced when handlers were abandoned. Further calls wait for the first and return the same.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	switch e.phase {
	case phaseNew:
		e.phase = phaseStopping
		e.release()
		close(e.stopped)
		e.mu.Unlock()
		return nil
	case phaseStarting:
		e.mu.Unlock()
		<-e.started // a start that is given up ends by its own context
		return e.Stop(ctx)
	case phaseStopping:
		e.mu.Unlock()
		<-e.stopped
		return e.stopErr
	case phaseRunning:
	}
	e.phase = phaseStopping
	e.mu.Unlock()
	clean := e.shutDown(ctx)
	if !clean {
		e.stopErr = ErrForced
	}
	close(e.stopped)
	return e.stopErr
}

// shutDown closes everything that was started; it reports whether all handlers returned.
func (e *Engine) shutDown(ctx context.Context) bool {
	if e.watched != nil {
		e.watchQuit()
		slow := time.NewTimer(forcedCommit)
		select {
		case <-e.watched:
		case <-slow.C: // a client whose cluster is away may keep it; closing the client frees it
		}
		slow.Stop()
	}
	deadlines := stopDeadlines{drain: time.Now().Add(e.settings.Drain)}
	deadlines.grace = deadlines.drain.Add(e.settings.Grace)
	clean := make([]bool, len(e.runners))
	var wg sync.WaitGroup
	for i, r := range e.runners {
		wg.Go(func() { clean[i] = r.stop(ctx, deadlines) })
	}
	wg.Wait()
	all := true
	for _, c := range clean {
		all = all && c
	}
	if e.producer != nil {
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(e.settings.Grace, forcedCommit))
		// What is done had its writes acknowledged before it was. What is left belongs to records that nobody waits for any more, such as a
		// letter of a partition that was lost while it was under way: they are delivered again, and the stop is no less clean for it.
		_ = e.producer.Flush(flush)
		cancel()
		e.producer.Close()
	}
	e.clock.stop()
	for _, f := range e.feeds {
		close(f.quit)
	}
	slowest := time.NewTimer(hookTimeout)
	defer slowest.Stop()
	for _, f := range e.feeds {
		select {
		case <-f.done:
		case <-slowest.C:
			e.release()
			return all
		}
	}
	e.release()
	return all
}

// forcedCommit is what the last commit may take when the stop is forced.
const forcedCommit = time.Second

type stopDeadlines struct{ drain, grace time.Time }

// stop ends a group; it reports whether all handlers returned. ctx forces.
func (r *runner) stop(ctx context.Context, by stopDeadlines) bool {
	r.groupHook("BeforeStop", func(h callbacks.Hooks) func(context.Context, string) error { return h.BeforeStop })
	r.emit(callbacks.Stopping{Group: r.id, Reason: r.e.Err()})
	r.stopPolling()
	as := r.all()
	for _, a := range as {
		a.beginClose()
	}
	clean := awaitWorkers(as, by.drain, ctx.Done())
	if !clean {
		r.cut(as, offsets.ErrStopping)
		grace := by.grace
		if ctx.Err() != nil {
			grace = time.Now().Add(min(r.e.settings.Grace, forcedCommit))
		}
		clean = awaitWorkers(as, grace, nil)
	}
	close(r.abandoning)
	var told sync.WaitGroup // at once, as on a revoke
	for _, a := range as {
		told.Go(func() { r.beforeStop(a) })
	}
	told.Wait()
	last, cut := context.WithCancel(context.WithoutCancel(ctx)) // forced, also while it runs, it has forcedCommit left
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(forcedCommit, cut) })()
	r.committer.stop(ctx)
	_ = r.committer.commitAndSeal(last, as, true) // told by its events; the records are delivered again

	leave, cancel := context.WithTimeout(last, commitTimeout)
	_ = r.client.Leave(leave) // the session's timeout takes over
	cancel()
	r.client.Close()
	if r.tx != nil {
		r.tx.close()
	}
	for _, a := range as {
		if a.returned() {
			a.cancel(offsets.ErrStopping) // frees the context
		}
	}
	r.tasks.Wait()
	r.groupHook("AfterStop", func(h callbacks.Hooks) func(context.Context, string) error { return h.AfterStop })
	clean = clean && r.allReturned()
	r.emit(callbacks.Stopped{Group: r.id, Clean: clean})
	return clean
}

// allReturned reports whether the handlers of all epochs have returned, those abandoned by a revoke among them.
func (r *runner) allReturned() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.last {
		if a.running() != nil {
			return false
		}
	}
	return true
}

// beforeStop lets a per-partition handler finish its work; marks still count.
func (r *runner) beforeStop(a *assignment) {
	if s, ok := a.handler.(consumer.StopHandler); ok && a.returned() {
		r.hook("BeforeStop", s.BeforeStop)
	}
}
