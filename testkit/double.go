package testkit

import (
	"context"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// Double stands behind messages instead of the engine, to call a handler directly: it keeps what the handler marks and writes. It is the
// producer double, too: an output is acknowledged at once, or refused with the error that FailOutputs gave.
type Double struct {
	mu      sync.Mutex
	attempt int
	part    consumer.Partition
	marks   []Mark
	outputs []*kgo.Record
	refuse  error
	markErr error
}

// Mark is one call of Mark, MarkThrough or CommitThrough.
type Mark struct {
	Offset int64
	// Through is true for all records up to this one, Committed when the call waited for the broker.
	Through, Committed bool
}

// NewDouble makes a double of a first attempt.
func NewDouble() *Double { return &Double{attempt: 1} }

// OnAttempt sets what Message.Attempt returns.
func (d *Double) OnAttempt(n int) *Double {
	d.attempt = n
	return d
}

// OnPartition sets what Message.Assigned returns. Defaults to nil.
func (d *Double) OnPartition(p consumer.Partition) *Double {
	d.part = p
	return d
}

// FailOutputs lets every output fail with err, nil none.
func (d *Double) FailOutputs(err error) *Double {
	d.refuse = err
	return d
}

// FailMarks lets every mark fail with err, such as offsets.ErrRevoked; nil none.
func (d *Double) FailMarks(err error) *Double {
	d.markErr = err
	return d
}

// Message makes a message of partition m.On, or 0, at an offset of a topic.
func (d *Double) Message(topic string, offset int64, m *Message) *consumer.Message {
	r := m.record(topic)
	r.Offset = offset
	msg := consumer.NewMessage(r, d)
	return &msg
}

// Batch makes a batch of messages with offsets from 0 on.
func (d *Double) Batch(topic string, ms ...*Message) *consumer.Batch {
	msgs := make([]consumer.Message, len(ms))
	for i, m := range ms {
		msgs[i] = *d.Message(topic, int64(i), m)
	}
	return consumer.NewBatch(msgs)
}

// Marks returns what was marked, in order.
func (d *Double) Marks() []Mark {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.marks)
}

// Outputs returns what was written to a topic, in order; of an empty topic, to all.
func (d *Double) Outputs(topic string) []*kgo.Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []*kgo.Record
	for _, r := range d.outputs {
		if topic == "" || r.Topic == topic {
			found = append(found, r)
		}
	}
	return found
}

// Attempt implements consumer.Delivery.
func (d *Double) Attempt() int { return d.attempt }

// Assigned implements consumer.Delivery.
func (d *Double) Assigned() consumer.Partition { return d.part }

// Mark implements consumer.Delivery.
func (d *Double) Mark(rec *kgo.Record, through bool) error {
	return d.mark(Mark{Offset: rec.Offset, Through: through})
}

// CommitThrough implements consumer.Delivery.
func (d *Double) CommitThrough(_ context.Context, rec *kgo.Record) error {
	return d.mark(Mark{Offset: rec.Offset, Through: true, Committed: true})
}

func (d *Double) mark(m Mark) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.markErr == nil {
		d.marks = append(d.marks, m)
	}
	return d.markErr
}

// Send implements consumer.Delivery.
func (d *Double) Send(_ context.Context, _, out *kgo.Record, _ bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse == nil {
		d.outputs = append(d.outputs, out)
	}
	return d.refuse
}
