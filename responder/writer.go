package responder

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// Writer takes the outputs of one delivery. It is valid during the call it is passed to, for one goroutine.
type Writer struct {
	on   *sheet
	turn uint64
}

// sheet is what stands behind a Writer. It is used again for the next delivery, while a Writer is not: one that somebody keeps finds that
// its turn is over.
type sheet struct {
	turn    uint64
	ctx     context.Context //nolint:containedctx // the delivery's own: it is let go with it
	carries bool            // outputs are of one message, and get its headers that are carried over
	outputs []consumer.Output
	written []bool
	pending []*kgo.Record
	source  *consumer.Message

	spare []kgo.Record // to be written next
	ahead int          // how many of them are made at once
}

// mostAhead is how many records are allocated at once. They live until the last of them is acknowledged.
const mostAhead = 64

// open begins a delivery.
func (s *sheet) open(ctx context.Context, source *consumer.Message, outputs []consumer.Output) Writer {
	s.ctx, s.source, s.outputs = ctx, source, outputs
	if n := len(outputs); n <= cap(s.written) {
		s.written = s.written[:n]
		clear(s.written)
	} else {
		s.written = make([]bool, n)
	}
	return Writer{s, s.turn}
}

// close ends the delivery for its Writer.
func (s *sheet) close() { s.turn++ }

// clear lets go of the delivery.
func (s *sheet) clear() {
	s.ctx, s.source = nil, nil
	clear(s.pending)
	if s.pending = s.pending[:0]; cap(s.pending) > mostAhead {
		s.pending = nil // few records have so many
	}
}

func (w *Writer) write(topic string, key, value []byte, opts []Option) error {
	s := w.on
	ctx, source := s.ctx, s.source
	if w.turn != s.turn {
		return fmt.Errorf("write to topic %q: %w", topic, ErrWriterClosed)
	}
	if len(s.spare) == 0 {
		s.spare = make([]kgo.Record, s.ahead)
	}
	out := &s.spare[0]
	s.spare = s.spare[1:]
	out.Topic, out.Partition, out.Key, out.Value = topic, anyPartition, key, value
	for _, o := range opts {
		if err := o(out); err != nil {
			return err
		}
	}
	if s.carries {
		carry(source.Record, out)
	}
	consumer.PrepareOutput(ctx, out)
	if w.turn != s.turn { // it was kept, and meanwhile
		return fmt.Errorf("write to topic %q: %w", topic, ErrWriterClosed)
	}
	for i, o := range s.outputs {
		if o.Topic != out.Topic {
			continue
		}
		if o.Sync {
			if err := s.send(out, true); err != nil {
				return err
			}
		} else {
			s.pending = append(s.pending, out)
		}
		s.written[i] = true
		return nil
	}
	return consumer.Permanent(fmt.Errorf("write to topic %q: %w", out.Topic, ErrUndeclared))
}

// finish sends what the handler wrote, after it returned nil.
func (s *sheet) finish() error {
	for i, o := range s.outputs {
		if o.Required && !s.written[i] {
			s.close()
			return consumer.Permanent(fmt.Errorf("topic %q: %w", o.Topic, ErrNotWritten))
		}
	}
	return s.sendPending()
}

func (s *sheet) sendPending() error {
	s.close()
	for _, out := range s.pending {
		if err := s.send(out, false); err != nil {
			return err
		}
	}
	return nil
}

func (s *sheet) send(out *kgo.Record, sync bool) error {
	d := s.source.Delivery()
	if d == nil {
		return fmt.Errorf("write to topic %q: %w", out.Topic, ErrNoDelivery)
	}
	if err := d.Send(s.ctx, s.source.Record, out, sync); err != nil {
		return fmt.Errorf("write to topic %q: %w", out.Topic, err)
	}
	return nil
}
