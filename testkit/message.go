package testkit

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Message is a record in the making. Its methods change it and return it.
type Message struct {
	rec       kgo.Record
	partition int32 // anyPartition unless On was called
}

const anyPartition = -1

// JSON makes a message with v as its value in JSON. It panics when v does not encode.
func JSON(v any) *Message {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("testkit.JSON(%T): %v", v, err))
	}
	return Bytes(data)
}

// Bytes makes a message with that value; nil is a tombstone, an empty slice is not.
func Bytes(value []byte) *Message {
	return &Message{rec: kgo.Record{Value: value}, partition: anyPartition}
}

// Text makes a message with that value.
func Text(value string) *Message { return Bytes([]byte(value)) }

// Tombstone makes a message without a value, which says that its key was deleted.
func Tombstone() *Message { return Bytes(nil) }

// Key sets the key. A message without one has a nil key.
func (m *Message) Key(key string) *Message {
	m.rec.Key = []byte(key)
	return m
}

// Header adds a header. Names may repeat.
func (m *Message) Header(name, value string) *Message {
	m.rec.Headers = append(m.rec.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	return m
}

// At sets the timestamp. Defaults to the time of delivery.
func (m *Message) At(t time.Time) *Message {
	m.rec.Timestamp = t
	return m
}

// On sets the partition. Defaults to the one that the key decides, as Java's default partitioner does; 0 without a key.
func (m *Message) On(partition int32) *Message {
	m.partition = partition
	return m
}

// record returns a record that shares nothing with the message, so that one message can be delivered twice.
func (m *Message) record(topic string) *kgo.Record {
	r := m.rec
	r.Topic, r.Partition = topic, max(m.partition, 0)
	r.Headers = append([]kgo.RecordHeader(nil), m.rec.Headers...)
	return &r
}
