package engine

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/kafka"
)

// outbox counts the outputs of a lane's claim that are produced and not yet acknowledged. Its records are done only when all are
// acknowledged.
type outbox struct {
	mu      sync.Mutex
	pending int
	sent    int
	idle    chan struct{} // not nil while somebody waits
	failed  []refusal
}

// refusal is a source record with an output that was not acknowledged.
type refusal struct {
	tp     kafka.TopicPartition // in transactions, which are of several
	offset int64
	topic  string
	err    error
}

func (o *outbox) send(d *delivery, rec, out *kgo.Record) {
	o.mu.Lock()
	o.pending++
	o.sent++
	o.mu.Unlock()
	a, source := d.a, rec.Offset
	a.produce(a.ctx, source, out, func(_ *kgo.Record, err error) { o.acked(source, out.Topic, err) })
}

func (o *outbox) acked(source int64, topic string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.failed = append(o.failed, refusal{offset: source, topic: topic, err: err})
	}
	o.pending--
	if o.pending == 0 && o.idle != nil {
		close(o.idle)
		o.idle = nil
	}
}

// settle waits until every output is acknowledged or refused, which the producer's delivery timeout bounds, or ctx has ended: then it
// reports false, what is under way stays under way, and the outbox is not used again. It returns how many were sent, and what was refused.
func (o *outbox) settle(ctx context.Context) (sent int, failed []refusal, ok bool) {
	o.mu.Lock()
	if o.pending > 0 {
		idle := make(chan struct{})
		o.idle = idle
		o.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return 0, nil, false
		}
		o.mu.Lock()
	}
	defer o.mu.Unlock()
	sent, failed = o.sent, o.failed
	o.sent, o.failed = 0, nil
	return sent, failed, true
}

// lowest is the refusal of the record that comes first.
func lowest(all []refusal) refusal {
	return slices.MinFunc(all, func(a, b refusal) int { return cmp.Compare(a.offset, b.offset) })
}
