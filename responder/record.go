package responder

import (
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// Record is a record to be produced by a [Producer]. It is made by a topic's Record and Delete, or by NewRecord. It may be sent again, for
// instance after a failure; its key, value and headers must stay as they are until it is acknowledged.
type Record struct {
	rec *kgo.Record
	err error
}

// NewRecord makes a record of bytes. A nil value is a tombstone.
func NewRecord(topic string, key, value []byte, opts ...Option) Record {
	return newRecord(&kgo.Record{Topic: topic, Partition: anyPartition, Key: key, Value: value}, opts)
}

func newRecord(rec *kgo.Record, opts []Option) Record {
	for _, o := range opts {
		if err := o(rec); err != nil {
			return Record{rec: rec, err: err}
		}
	}
	return Record{rec: rec}
}

// Record makes a record for a [Producer]. When key or value do not encode, sending it fails, with the error of [Topic.Send].
func (t Topic[T]) Record(key []byte, value T, opts ...Option) Record {
	data, err := t.codec.Encode(value)
	if err != nil {
		return Record{rec: &kgo.Record{Topic: t.name, Key: key}, err: encodeError(t.codec, "value", t.name, err)}
	}
	return NewRecord(t.name, key, data, opts...)
}

// Delete makes a record without a value, which deletes the key from a compacted topic.
func (t Topic[T]) Delete(key []byte, opts ...Option) Record {
	return NewRecord(t.name, key, nil, opts...)
}

// Record makes a record for a [Producer], as [Topic.Record] does.
func (t KeyedTopic[K, V]) Record(key K, value V, opts ...Option) Record {
	data, err := t.encodeKey(key)
	if err != nil {
		return Record{rec: &kgo.Record{Topic: t.Name()}, err: err}
	}
	return t.values.Record(data, value, opts...)
}

// Delete makes a record without a value, as [Topic.Delete] does.
func (t KeyedTopic[K, V]) Delete(key K, opts ...Option) Record {
	data, err := t.encodeKey(key)
	if err != nil {
		return Record{rec: &kgo.Record{Topic: t.Name()}, err: err}
	}
	return t.values.Delete(data, opts...)
}

// Topic returns the topic's name.
func (r Record) Topic() string {
	if r.rec == nil {
		return ""
	}
	return r.rec.Topic
}

// copyTo writes what a client gets, which writes in it too.
func (r Record) copyTo(out *kgo.Record) {
	if r.rec != nil {
		*out = *r.rec
		out.Headers = slices.Clip(out.Headers)
	}
}

func (r Record) failed(err error) *SendError {
	failed := &SendError{Topic: r.Topic(), Err: err}
	if r.rec != nil {
		failed.Key = r.rec.Key
	}
	return failed
}

// Partition sends the record to that partition, if the topic has it. Without it the key decides.
func Partition(id int32) Option {
	return func(r *kgo.Record) error {
		r.Partition = max(id, anyPartition)
		return nil
	}
}

// Timestamp sets the record's time. Without it, it is when the record is produced. A topic whose message.timestamp.type is LogAppendTime
// has its own.
func Timestamp(t time.Time) Option {
	return func(r *kgo.Record) error {
		r.Timestamp = t
		return nil
	}
}

// From carries over the headers that tell what a record belongs to, as a responder does by itself where it handles records one by one:
// traceparent, tracestate and baggage (W3C), correlation-id, x-correlation-id and x-request-id. In a batch only the handler knows which of
// the messages an output is of.
func From(m *consumer.Message) Option {
	return func(r *kgo.Record) error {
		carry(m.Record, r)
		return nil
	}
}

var carried = []string{ //nolint:gochecknoglobals // constant
	"traceparent", "tracestate", "baggage", "correlation-id", "x-correlation-id", "x-request-id",
}

// carry adds the headers that are carried over, unless out has them.
func carry(from, out *kgo.Record) {
	for _, h := range from.Headers {
		if !slices.ContainsFunc(carried, func(name string) bool { return strings.EqualFold(name, h.Key) }) {
			continue
		}
		if slices.ContainsFunc(out.Headers, func(own kgo.RecordHeader) bool { return strings.EqualFold(own.Key, h.Key) }) {
			continue
		}
		out.Headers = append(out.Headers, h)
	}
}
