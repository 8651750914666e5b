package responder

import (
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
