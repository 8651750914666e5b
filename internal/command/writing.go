package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/admin"
)

// written is what produce prints.
type written struct {
	Topic      string             `json:"topic"`
	Records    int                `json:"records"`
	Partitions []writtenPartition `json:"partitions"`
}

type writtenPartition struct {
	Partition int32 `json:"partition"`
	Records   int   `json:"records"`
	// First and Last are offsets; others may have written in between.
	First int64 `json:"first_offset"`
	Last  int64 `json:"last_offset"`
}

// writing is a produce in progress.
type writing struct {
	a        *admin.Cluster
	topic    string
	progress *progress

	// patience is for how long no record may be acknowledged. The client's own limit would count from the times that records have.
	patience time.Duration
	told     chan struct{} // something was acknowledged

	mu     sync.Mutex
	done   map[int32]*writtenPartition
	sent   int
	failed []failure
	stop   chan struct{} // closed at the first failure: what follows is not sent
}

// failure is a record that was not written.
type failure struct {
	entry

	err error
}

func newWriting(c *Console, a *admin.Cluster, topic string, patience time.Duration) *writing {
	return &writing{
		a: a, topic: topic, progress: newProgress(c.Err, "record", "written"),
		patience: patience, told: make(chan struct{}, 1),
		done: map[int32]*writtenPartition{}, stop: make(chan struct{}),
	}
}

var errInterrupted = errors.New("interrupted")

var errUnacknowledged = errors.New("no acknowledgement within producer.delivery_timeout: whether it was written is not known")

// watch gives up when nothing was acknowledged for too long, or by force, until the context that it returns is cancelled.
func (w *writing) watch(ctx, forced context.Context) (context.Context, context.CancelCauseFunc) {
	sending, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	go func() {
		timer := time.NewTimer(w.patience)
		defer timer.Stop()
		for {
			select {
			case <-w.told:
				timer.Reset(w.patience)
			case <-timer.C:
				if w.waiting() {
					giveUp(errUnacknowledged)
					return
				}
				timer.Reset(w.patience)
			case <-forced.Done():
				giveUp(forced.Err())
				return
			case <-sending.Done():
				return
			}
		}
	}()
	return sending, giveUp
}

// waiting reports whether records wait for their acknowledgement.
func (w *writing) waiting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent > w.records()+len(w.failed)
}

// records is how many were written; the lock is held.
func (w *writing) records() (n int) {
	for _, p := range w.done {
		n += p.Records
	}
	return n
}

// all writes all that is read, up to the first mistake, the first record that is not written, or the end of ctx. What was sent then is
// waited for: its error says what was written and what not.
func (w *writing) all(ctx, forced context.Context, p *produceCommand, in *input) error {
	type read struct {
		entry

		err error
	}
	entries := make(chan read, 1000) //nolint:mnd // the reader is ahead
	ended := make(chan struct{})
	defer close(ended)
	go func() { // which reads on: a terminal cannot be told to stop
		next := p.records(in)
		for {
			e, err := next()
			select {
			case entries <- read{e, err}:
			case <-ended:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	sending, giveUp := w.watch(ctx, forced) // what the client has when ctx ends is written
	defer giveUp(nil)
	var err error
	for err == nil {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-w.stop:
			err = io.EOF
		case e := <-entries:
			if err = e.err; err == nil {
				w.mu.Lock()
				w.sent++
				w.mu.Unlock()
				w.a.Produce(sending, e.Record, func(r *kgo.Record, err error) { w.hear(e.entry, r, err) })
			}
		}
	}
	_ = w.a.Flush(sending) // what is not written then, outcome tells
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if ctx.Err() != nil {
		err = errInterrupted
	}
	return w.outcome(in, err)
}

// hear is called by the client, once for each record.
func (w *writing) hear(e entry, r *kgo.Record, err error) {
	select {
	case w.told <- struct{}{}:
	default:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		switch {
		case errors.Is(err, kerr.TopicAuthorizationFailed):
			err = fmt.Errorf("%w: add an ACL for the operation WRITE on the topic", err)
		case errors.Is(err, kerr.MessageTooLarge):
			err = fmt.Errorf("%w: larger than max.message.bytes of the topic", err)
		case errors.Is(err, context.Canceled):
			err = errUnacknowledged
		}
		if w.failed = append(w.failed, failure{e, err}); len(w.failed) == 1 {
			close(w.stop)
		}
		return
	}
	p := w.done[r.Partition]
	if p == nil {
		p = &writtenPartition{Partition: r.Partition, First: r.Offset}
		w.done[r.Partition] = p
	}
	p.Records++
	p.Last = r.Offset
	w.progress.add(1)
}

// outcome says what was written, if not all of it was.
func (w *writing) outcome(in *input, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	slices.SortFunc(w.failed, func(a, b failure) int { return cmp.Compare(a.line, b.line) })
	const most = 10
	for _, f := range w.failed[:min(len(w.failed), most)] {
		errs = append(errs, f.told(in))
	}
	if more := len(w.failed) - most; more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", more))
	}
	unknown := w.sent - w.records() - len(w.failed)
	if unknown > 0 {
		errs = append(errs, fmt.Errorf("%s: %w", Count(unknown, "record"), errUnacknowledged))
	}
	errs = append(errs, err)
	if in.from != nil && errors.Join(errs...) != nil {
		what := Count(w.records(), "record") + " written"
		if n := len(w.failed) + unknown; n > 0 {
			what += fmt.Sprintf(", %d not", n)
		}
		errs = append(errs, errors.New(what+"; nothing was sent of what follows"))
	}
	return errors.Join(errs...)
}

// told says where the record was read.
func (f failure) told(in *input) error {
	if in.from == nil {
		return f.err
	}
	return fmt.Errorf("%s:%d: %w", in.name, f.line, f.err)
}

// report prints what was written.
func (w *writing) report(c *Console, out *Format) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := written{Topic: w.topic, Partitions: []writtenPartition{}}
	for _, partition := range slices.Sorted(maps.Keys(w.done)) {
		all.Records += w.done[partition].Records
		all.Partitions = append(all.Partitions, *w.done[partition])
	}
	if all.Records == 0 && w.sent > 0 && *out == Table {
		return nil
	}
	return out.Write(c.Out, all, func(to io.Writer) { fmt.Fprintln(to, all) })
}

// String is "wrote 12 records to orders.created: 8 to partition 0, 4 to 1".
func (a written) String() string {
	const most = 6
	switch parts := len(a.Partitions); {
	case a.Records == 1:
		return fmt.Sprintf("wrote %s/%d@%d", a.Topic, a.Partitions[0].Partition, a.Partitions[0].First)
	case parts == 0 || parts > most:
		return fmt.Sprintf("wrote %s to %s of %s", Count(a.Records, "record"), Count(parts, "partition"), a.Topic)
	default:
		to := make([]string, parts)
		for i, p := range a.Partitions {
			to[i] = fmt.Sprintf("%d to %d", p.Records, p.Partition)
		}
		to[0] = fmt.Sprintf("%d to partition %d", a.Partitions[0].Records, a.Partitions[0].Partition)
		return fmt.Sprintf("wrote %s to %s: %s", Count(a.Records, "record"), a.Topic, strings.Join(to, ", "))
	}
}

// progress tells now and then how far something is that takes long: after a second, and ever more seldom.
type progress struct {
	to         io.Writer
	what, done string
	n          int
	next       time.Time
	wait       time.Duration
}

func newProgress(to io.Writer, what, done string) *progress {
	return &progress{to: to, what: what, done: done, wait: time.Second, next: time.Now().Add(time.Second)}
}

func (p *progress) add(n int) {
	const seldom = 30 * time.Second
	p.n += n
	if now := time.Now(); now.After(p.next) {
		_, _ = fmt.Fprintf(p.to, "%s %s\n", Count(p.n, p.what), p.done) // nobody to tell
		p.wait = min(2*p.wait, seldom)
		p.next = now.Add(p.wait)
	}
}
