package responder

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// Topic is a topic that responders write values of type T to. Declare it once, as a package variable.
type Topic[T any] struct {
	name  string
	codec consumer.Codec
	bytes bool // it encodes []byte as it is
}

// JSONTopic declares a topic with JSON values.
func JSONTopic[T any](name string) Topic[T] { return NewTopic[T](name, consumer.JSONCodec) }

// NewTopic declares a topic with another codec.
func NewTopic[T any](name string, codec consumer.Codec) Topic[T] {
	return Topic[T]{name: name, codec: codec, bytes: codec == consumer.BytesCodec}
}

// Name returns the topic's name.
func (t Topic[T]) Name() string { return t.name }

// Optional declares the topic as an output that may or may not be written.
func (t Topic[T]) Optional() consumer.Output { return consumer.Output{Topic: t.name} }

// Required declares the topic as an output that every handled record must write to. A handler that returns nil without having
// written fails permanently, with ErrNotWritten.
func (t Topic[T]) Required() consumer.Output {
	return consumer.Output{Topic: t.name, Required: true}
}

// Sync declares the topic as an output for which Send waits until the broker acknowledged: Karafka's async: false. Such a record has
// left even if the handler fails afterwards.
func (t Topic[T]) Sync() consumer.Output { return consumer.Output{Topic: t.name, Sync: true} }

// Option adds to a record that is sent. Its error is what Send returns; nothing is written then.
type Option func(*kgo.Record) error

// Header adds a header.
func Header(name string, value []byte) Option {
	return func(r *kgo.Record) error {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: value})
		return nil
	}
}

// anyPartition lets the producer decide, by the key.
const anyPartition = -1

// Send writes one record. The key decides the partition, as Java's default partitioner does; a nil key goes to any. On a Sync output it
// returns when the broker acknowledged, else at once: the record leaves when the handler has returned nil.
//
// It fails permanently with ErrUndeclared when the responder does not declare the topic, and when the value does not encode. When the codec
// could not encode it now (consumer.ErrTemporary), it fails retryably.
func (t Topic[T]) Send(w *Writer, key []byte, value T, opts ...Option) error {
	data, plain := []byte(nil), false
	if t.bytes {
		data, plain = any(value).([]byte) // through the codec it would be allocated
	}
	if !plain {
		var err error
		if data, err = t.codec.Encode(value); err != nil {
			return encodeError(t.codec, "value", t.name, err)
		}
	}
	return w.write(t.name, key, data, opts)
}

// Tombstone writes a record without a value, which deletes the key from a compacted topic.
func (t Topic[T]) Tombstone(w *Writer, key []byte, opts ...Option) error {
	return w.write(t.name, key, nil, opts)
}

// Writer takes the outputs of one delivery. It is valid during the call it is passed to, for one goroutine.
type Writer struct {
	ctx     context.Context //nolint:containedctx // the delivery's own: a Writer never outlives its handler call
	carries bool            // outputs are of one message, and get its headers that are carried over
	outputs []consumer.Output
	written []bool
	pending []*kgo.Record
	source  *consumer.Message
	closed  bool

	spare []kgo.Record // to be written next
	ahead int          // how many of them are made at once
}

// mostAhead is how many records are allocated at once. They live until the last of them is acknowledged.
const mostAhead = 64

func (w *Writer) open(ctx context.Context, source *consumer.Message, outputs []consumer.Output) {
	w.ctx, w.source, w.outputs = ctx, source, outputs
	if n := len(outputs); n <= cap(w.written) {
		w.written = w.written[:n]
	} else {
		w.written = make([]bool, n)
	}
}

func (w *Writer) write(topic string, key, value []byte, opts []Option) error {
	if w.closed {
		return fmt.Errorf("write to topic %q: %w", topic, ErrWriterClosed)
	}
	if len(w.spare) == 0 {
		w.spare = make([]kgo.Record, max(w.ahead, 1))
	}
	out := &w.spare[0]
	w.spare = w.spare[1:]
	out.Topic, out.Partition, out.Key, out.Value = topic, anyPartition, key, value
	for _, o := range opts {
		if err := o(out); err != nil {
			return err
		}
	}
	if w.carries {
		carry(w.source.Record, out)
	}
	consumer.PrepareOutput(w.ctx, out)
	for i, o := range w.outputs {
		if o.Topic != out.Topic {
			continue
		}
		if o.Sync {
			if err := w.send(out, true); err != nil {
				return err
			}
		} else {
			w.pending = append(w.pending, out)
		}
		w.written[i] = true
		return nil
	}
	return consumer.Permanent(fmt.Errorf("write to topic %q: %w", out.Topic, ErrUndeclared))
}

// finish sends what the handler wrote, after it returned nil.
func (w *Writer) finish() error {
	for i, o := range w.outputs {
		if o.Required && !w.written[i] {
			w.closed = true
			return consumer.Permanent(fmt.Errorf("topic %q: %w", o.Topic, ErrNotWritten))
		}
	}
	return w.sendPending()
}

func (w *Writer) sendPending() error {
	w.closed = true
	for _, out := range w.pending {
		if err := w.send(out, false); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) send(out *kgo.Record, sync bool) error {
	d := w.source.Delivery()
	if d == nil {
		return fmt.Errorf("write to topic %q: %w", out.Topic, ErrNoDelivery)
	}
	if err := d.Send(w.ctx, w.source.Record, out, sync); err != nil {
		return fmt.Errorf("write to topic %q: %w", out.Topic, err)
	}
	return nil
}
