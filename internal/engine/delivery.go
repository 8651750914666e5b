package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/internal/room"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/responder"
)

// delivery is one attempt: what stands behind the messages of a run. All first attempts of an assignment share one.
type delivery struct {
	a       *assignment
	out     sender
	attempt int
}

// sender produces outputs, and knows what waits for them.
type sender interface {
	send(d *delivery, rec, out *kgo.Record)
}

func (d *delivery) Attempt() int                 { return d.attempt }
func (d *delivery) Assigned() consumer.Partition { return partition{a: d.a} }

// Drawn tells middleware that depends on it how the route keeps its offsets, and whether it hands over in the order of a partition.
func (d *delivery) Drawn() (mode offsets.Mode, ordered bool) {
	return d.a.route.spec.Offsets, !d.a.route.spec.Ordering.SideBySide()
}

func (d *delivery) Mark(rec *kgo.Record, through bool) error { return d.a.mark(rec.Offset, through) }

var errOutputsPending = errors.New("outputs of this record are not acknowledged yet: use MarkThrough on routes with outputs")

func (d *delivery) CommitThrough(ctx context.Context, rec *kgo.Record) error {
	a := d.a
	if a.route.responds {
		return errOutputsPending
	}
	if err := a.mark(rec.Offset, true); err != nil {
		return err
	}
	return a.r.committer.commitThrough(ctx, a, rec.Offset+1)
}

// produce sends an output of the record at an offset. When it is refused together with others, for one of them, it is sent again alone, so
// that it fails only for what it is itself. promise is called once. ctx bounds how long there is no room for it.
func (a *assignment) produce(ctx context.Context, offset int64, out *kgo.Record, promise func(*kgo.Record, error)) {
	wait := &room.Context{Context: ctx}
	a.r.e.producer.Produce(wait, a.source(offset), out, func(r *kgo.Record, err error) {
		if err != nil && kafka.OneOfBatch(err) {
			a.r.e.producer.ProduceAlone(wait, a.source(offset), out, promise)
			return
		}
		promise(r, err)
	})
	wait.Leave()
}

func (d *delivery) Send(ctx context.Context, rec, out *kgo.Record, sync bool) error {
	a := d.a
	if a.is(stateClosed) {
		return offsets.ErrRevoked
	}
	if !a.route.responds {
		return consumer.Permanent(responder.ErrUndeclared)
	}
	if !sync {
		d.out.send(d, rec, out)
		return nil
	}
	acked := make(chan error, 1)
	a.produce(ctx, rec.Offset, out, func(_ *kgo.Record, err error) { acked <- err })
	select {
	case err := <-acked:
		if err != nil {
			return fmt.Errorf("produce: %w", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("produce: %w", context.Cause(ctx))
	}
}
