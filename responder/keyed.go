package responder

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// KeyedTopic is a topic that responders write values of type V to, under keys of type K. Declare it once, as a package variable.
//
// The bytes of the key decide the partition, and on a compacted topic what a record replaces: the codec must encode equal keys to equal
// bytes.
type KeyedTopic[K, V any] struct {
	values Topic[V]
	keys   consumer.Codec
}

// NewKeyedTopic declares a topic with a codec for its keys and one for its values.
func NewKeyedTopic[K, V any](name string, key, value consumer.Codec) KeyedTopic[K, V] {
	return KeyedTopic[K, V]{values: NewTopic[V](name, value), keys: key}
}

// Name returns the topic's name.
func (t KeyedTopic[K, V]) Name() string { return t.values.Name() }

// Optional declares the topic as an output, as [Topic.Optional] does.
func (t KeyedTopic[K, V]) Optional() consumer.Output { return t.values.Optional() }

// Required declares the topic as an output that must be written, as [Topic.Required] does.
func (t KeyedTopic[K, V]) Required() consumer.Output { return t.values.Required() }

// Sync declares the topic as an output for which Send waits, as [Topic.Sync] does.
func (t KeyedTopic[K, V]) Sync() consumer.Output { return t.values.Sync() }

// Send writes one record, as [Topic.Send] does. A key that does not encode fails as a value does.
func (t KeyedTopic[K, V]) Send(w *Writer, key K, value V, opts ...Option) error {
	data, err := t.encodeKey(key)
	if err != nil {
		return err
	}
	return t.values.Send(w, data, value, opts...)
}

// Tombstone writes a record without a value, which deletes the key from a compacted topic.
func (t KeyedTopic[K, V]) Tombstone(w *Writer, key K, opts ...Option) error {
	data, err := t.encodeKey(key)
	if err != nil {
		return err
	}
	return t.values.Tombstone(w, data, opts...)
}

func (t KeyedTopic[K, V]) encodeKey(key K) ([]byte, error) {
	data, err := t.keys.Encode(key)
	if err != nil {
		return nil, encodeError(t.keys, "key", t.Name(), err)
	}
	return data, nil
}

// HeaderOf adds a header with a value that codec encodes. A value that does not encode makes Send fail as the record's own value would.
func HeaderOf(name string, codec consumer.Codec, value any) Option {
	return func(r *kgo.Record) error {
		data, err := codec.Encode(value)
		if err != nil {
			return encodeError(codec, fmt.Sprintf("header %q", name), r.Topic, err)
		}
		return Header(name, data)(r)
	}
}

// encodeError is permanent, because the value will not change, unless the codec says that it may encode later.
func encodeError(codec consumer.Codec, part, topic string, err error) error {
	temporary := errors.Is(err, consumer.ErrTemporary)
	err = fmt.Errorf("encode %s %s for topic %q: %w", codec.Name(), part, topic, err)
	if temporary {
		return err
	}
	return consumer.Permanent(err)
}
