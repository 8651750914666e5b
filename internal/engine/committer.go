package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/offsets"
)

const (
	// commitTimeout bounds one commit. A commit that is cut off may have been applied: the next one repeats it.
	commitTimeout = 10 * time.Second
	// commitRetry is the pause after a commit that failed.
	commitRetry = time.Second
)

// committer is the only place that commits for a group. Its lock is held from the moment offsets are chosen
// until the broker has answered,
// which makes commits ordered; assignments are sealed under it, which makes a commit for a partition that was given away
// impossible.
type committer struct {
	r         *runner
	interval  time.Duration
	threshold int64

	mu       sync.Mutex
	ctx      context.Context //nolint:containedctx // of the loop's commits: a forced stop cuts off the one in flight
	cancel   context.CancelFunc
	kick     chan struct{}
	quit     chan struct{}
	done     chan struct{}
	handled  atomic.Int64
	quitOnce sync.Once
}

func newCommitter(r *runner, interval time.Duration, threshold int) *committer {
	ctx, cancel := context.WithCancel(r.e.base)
	return &committer{
		r: r, interval: interval, threshold: int64(threshold), ctx: ctx, cancel: cancel,
		kick: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
}

// finished counts records towards the threshold.
func (c *committer) finished(n int) {
	if c.threshold > 0 && c.handled.Add(int64(n)) >= c.threshold {
		c.soon()
	}
}

// soon asks for a commit now.
func (c *committer) soon() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func (c *committer) loop() {
	defer close(c.done)
	timer := time.NewTimer(c.interval)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.kick:
		case <-c.quit:
			return
		}
		next := c.interval
		if err := c.commit(c.ctx, c.r.all()); err != nil {
			next = min(next, commitRetry)
		}
		timer.Reset(next)
	}
}

// stop ends the loop, after the commit in flight unless ctx ends, which forces; commits on request still work.
func (c *committer) stop(ctx context.Context) {
	defer context.AfterFunc(ctx, c.cancel)()
	c.quitOnce.Do(func() { close(c.quit) })
	<-c.done
	c.cancel()
}

// commit stores what is done of the given assignments.
func (c *committer) commit(ctx context.Context, as []*assignment) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handled.Store(0)
	if c.r.tx != nil {
		return c.r.tx.commit(ctx, nil, true)
	}
	c.r.disown()
	due := kafka.Offsets{}
	for _, a := range as {
		if at, ok := a.committable(); ok {
			due[a.tp] = at
		}
	}
	return c.send(ctx, due, as)
}

// commitAndSeal stores what is done of the given assignments and closes them: no mark and no result counts after it. Without
// store, nothing is committed.
func (c *committer) commitAndSeal(ctx context.Context, as []*assignment, store bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.r.tx != nil {
		return c.r.tx.commit(ctx, as, store)
	}
	c.r.disown()
	due := kafka.Offsets{}
	for _, a := range as {
		if at, ok := a.seal(); ok && store {
			due[a.tp] = at
		}
	}
	return c.send(ctx, due, as)
}

// commitThrough returns when the broker has the offset.
func (c *committer) commitThrough(ctx context.Context, a *assignment, offset int64) error {
	for {
		err := c.commit(ctx, []*assignment{a})
		a.mu.Lock()
		committed, closed, next := a.committed, a.closed, a.next()
		a.mu.Unlock()
		switch {
		case committed >= offset:
			return nil
		case closed:
			return offsets.ErrRevoked
		case err != nil:
			return fmt.Errorf("commit offset %d of %s/%d: %w", offset, a.tp.Topic, a.tp.Partition, err)
		case next < offset: // a mark before it was taken back
			return fmt.Errorf("commit offset %d of %s/%d: records before it are open", offset, a.tp.Topic, a.tp.Partition)
		}
	}
}

// send is called with the lock held, and tells with it: events come in the order of the commits, and before anybody can find the offset
// stored.
func (c *committer) send(ctx context.Context, due kafka.Offsets, as []*assignment) error {
	if len(due) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	failed, err := c.r.client.Commit(ctx, due)
	var errs []error
	for _, a := range as {
		at, ok := due[a.tp]
		if !ok {
			continue
		}
		why := err
		if why == nil {
			why = failed[a.tp]
		}
		if why == nil {
			c.r.emit(callbacks.Committed{Where: a.where(), Offset: at.Offset})
			a.stored(at)
			continue
		}
		errs = append(errs, why)
		c.r.emit(callbacks.CommitFailed{Where: a.where(), Offset: at.Offset, Err: why})
	}
	for _, e := range errs {
		if errors.Is(e, kerr.FencedInstanceID) {
			c.r.e.fatal(c.r.fenced(e))
			break
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// next is the next offset to commit. It is called with the assignment's lock held.
func (a *assignment) next() int64 {
	if a.keys != nil {
		at, _ := a.keys.state()
		return at.offset
	}
	return a.tr.watermark().offset
}
