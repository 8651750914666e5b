package consumer

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Message is one record on its way through a handler. It embeds the record as the client fetched it: Key, Value,
// Headers, Timestamp, Topic, Partition, Offset and LeaderEpoch are the record's own.
//
// A message may be kept after the handler returned; it keeps the bytes of its fetch alive, so clone what is kept long.
type Message struct {
	*kgo.Record

	delivery Delivery
}

// Delivery stands behind the messages of one attempt: the engine in a process, a double in a test. Handlers use it
// through the methods of [Message].
type Delivery interface {
	// Attempt counts from 1. It starts anew when the partition comes back after a revoke.
	Attempt() int
	// Assigned is the partition that the messages came from.
	Assigned() Partition
	// Mark marks rec, or with through rec and every record before it.
	Mark(rec *kgo.Record, through bool) error
	// CommitThrough marks rec and every record before it, and returns when the broker has the offset.
	CommitThrough(ctx context.Context, rec *kgo.Record) error
	// Send produces out on behalf of rec: rec is marked only after the broker acknowledged out. With
	// sync it returns after the acknowledgement, else at once.
	Send(ctx context.Context, rec, out *kgo.Record, sync bool) error
}

// NewMessage binds a record to the delivery that carries it. The engine and test doubles call it; with a nil
// delivery marks succeed and do nothing, which is enough to call a handler in a unit test.
func NewMessage(rec *kgo.Record, d Delivery) Message {
	return Message{Record: rec, delivery: d}
}

// Attempt tells how often this record has been handed over in this assignment, counting from 1.
func (m *Message) Attempt() int {
	if m.delivery == nil {
		return 1
	}
	return m.delivery.Attempt()
}

// Assigned returns the partition this message came from, to pause, resume or seek it. It is nil for a message
// without a delivery.
func (m *Message) Assigned() Partition {
	if m.delivery == nil {
		return nil
	}
	return m.delivery.Assigned()
}

// Mark marks this record as consumed, on a route with ManualOffsets. What is committed is the end of the unbroken run
// of marked records, so a record marked ahead of others waits for them.
//
// It returns offsets.ErrRevoked when the partition is no longer this member's, and offsets.ErrAutomatic on a route
// that marks by itself. Marking twice is harmless. Safe to call from any goroutine.
func (m *Message) Mark() error {
	if m.delivery == nil {
		return nil
	}
	return m.delivery.Mark(m.Record, false)
}

// MarkThrough marks this record and all records of its partition before it. Errors are those of [Message.Mark].
func (m *Message) MarkThrough() error {
	if m.delivery == nil {
		return nil
	}
	return m.delivery.Mark(m.Record, true)
}

// CommitThrough is MarkThrough, and returns when the broker has stored the offset: Karafka's mark_as_consumed!. It
// costs a round trip. Besides the errors of [Message.Mark] it returns what the broker answered; the mark then stands and is
// committed later.
func (m *Message) CommitThrough(ctx context.Context) error {
	if m.delivery == nil {
		return nil
	}
	return m.delivery.CommitThrough(ctx, m.Record)
}

// Tombstone reports a record without a value, by which compacted topics say that the key was deleted. An empty value
// is not a tombstone.
func (m *Message) Tombstone() bool { return m.Value == nil }

// Header returns the value of the last header with that name, and whether there is one. Names may repeat in Kafka;
// Headers holds all of them.
func (m *Message) Header(name string) ([]byte, bool) {
	for _, h := range slices.Backward(m.Headers) {
		if h.Key == name {
			return h.Value, true
		}
	}
	return nil, false
}

// Delivery returns what stands behind the message, for packages that extend handlers, as responder does. It is nil
// for a message made without one.
func (m *Message) Delivery() Delivery { return m.delivery }
