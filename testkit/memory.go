package testkit

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/kafka"
)

// memory is a cluster without a network: logs, committed offsets, and one member per group. It implements kafka.Connector.
type memory struct {
	outputs *outputs

	mu      sync.Mutex
	topics  map[string][][]*kgo.Record // by topic and partition
	groups  map[string]*offsetStore
	members map[string]*member
	refuse  map[string][]error // of produced records, by topic: the next ones fail

	producers int64             // clients with transactions
	added     map[string]func() // what else their transactions commit
}

// offsetStore is what a group has committed.
type offsetStore struct {
	committed map[kafka.TopicPartition]kafka.Committed
	fail      []error // the next commits fail
}

func newMemory(out *outputs) *memory {
	return &memory{
		outputs: out, topics: map[string][][]*kgo.Record{}, groups: map[string]*offsetStore{},
		members: map[string]*member{}, refuse: map[string][]error{}, added: map[string]func(){},
	}
}

// create makes a topic, unless it exists.
func (c *memory) create(topic string, partitions int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.topics[topic] == nil {
		c.topics[topic] = make([][]*kgo.Record, partitions)
	}
}

func (c *memory) partitions(topic string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.topics[topic])
}

func (c *memory) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.topics))
}

// append writes a record to its partition, by key where that is anyPartition, and wakes the members that wait.
func (c *memory) append(r *kgo.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	logs := c.topics[r.Topic]
	if r.Partition == anyPartition {
		r.Partition = byKey(r.Key, len(logs))
	}
	if int(r.Partition) >= len(logs) || r.Partition < 0 {
		return fmt.Errorf("topic %q has no partition %d: it has %d; add the option testkit.Partitions(%q, %d)",
			r.Topic, r.Partition, len(logs), r.Topic, r.Partition+1)
	}
	r.Offset = int64(len(logs[r.Partition]))
	r.LeaderEpoch = 0
	if r.Timestamp.IsZero() {
		r.Timestamp = time.Now()
	}
	logs[r.Partition] = append(logs[r.Partition], r)
	for _, m := range c.members {
		m.signal()
	}
	return nil
}

// byKey is the partition of Java's default partitioner.
func byKey(key []byte, partitions int) int32 {
	if key == nil || partitions <= 1 {
		return 0
	}
	return int32(kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(&kgo.Record{Key: key}, partitions))
}

func (c *memory) store(group string) *offsetStore {
	s := c.groups[group]
	if s == nil {
		s = &offsetStore{committed: map[kafka.TopicPartition]kafka.Committed{}}
		c.groups[group] = s
	}
	return s
}

// committed returns a group's offset, -1 for none.
func (c *memory) committed(group string, tp kafka.TopicPartition) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.store(group).committed[tp]
	if !ok {
		return -1
	}
	return at.Offset
}

// failCommits lets the group's next n commits fail.
func (c *memory) failCommits(group string, n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.store(group)
	s.fail = append(s.fail, slices.Repeat([]error{err}, n)...)
}

// failOutputs lets the next n records produced to the topic fail.
func (c *memory) failOutputs(topic string, n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse[topic] = append(c.refuse[topic], slices.Repeat([]error{err}, n)...)
}

// refusal is why the next record to a topic fails, nil if it does not. What may be another record's fault is told again when the record is
// sent alone, and is over only then.
func (c *memory) refusal(topic string, alone bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.refuse[topic]
	if len(next) == 0 {
		return nil
	}
	if alone || !kafka.OneOfBatch(next[0]) {
		c.refuse[topic] = next[1:]
	}
	return next[0]
}

// Producer implements kafka.Connector.
func (c *memory) Producer() (kafka.Producer, error) { return memoryProducer{c}, nil } //nolint:ireturn // it implements an interface

// memoryProducer acknowledges at once, and appends to the log where a topic is consumed.
type memoryProducer struct{ c *memory }

func (p memoryProducer) Ping(context.Context) error { return nil }

func (p memoryProducer) Denied(context.Context, kafka.Rights) ([]kafka.Denial, error) {
	return nil, nil
}

func (p memoryProducer) CreateTopics(_ context.Context, topics []kafka.TopicSpec) error {
	for _, t := range topics {
		p.c.create(t.Name, max(t.Partitions, 1))
	}
	return nil
}

func (p memoryProducer) Topics(_ context.Context, names ...string) (map[string]kafka.Topic, error) {
	found := map[string]kafka.Topic{}
	if names == nil {
		names = p.c.names()
	}
	for _, name := range names {
		n := p.c.partitions(name)
		if n == 0 {
			continue
		}
		t := kafka.Topic{}
		for id := range n {
			t.Partitions = append(t.Partitions, int32(id))
		}
		found[name] = t
	}
	return found, nil
}

func (p memoryProducer) Produce(_ context.Context, from kafka.Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	p.produce(from, r, promise, false)
}

// Room implements kafka.Producer.
func (p memoryProducer) Room() int { return math.MaxInt }

// ProduceAlone implements kafka.Producer.
func (p memoryProducer) ProduceAlone(_ context.Context, from kafka.Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	p.produce(from, r, promise, true)
}

func (p memoryProducer) produce(from kafka.Source, r *kgo.Record, promise func(*kgo.Record, error), alone bool) {
	p.c.create(r.Topic, 1)
	err := p.c.refusal(r.Topic, alone)
	if err == nil {
		if int(r.Partition) >= p.c.partitions(r.Topic) {
			r.Partition = anyPartition
		}
		if err = p.c.append(r); err == nil {
			p.c.outputs.add(from, r)
		}
	}
	go promise(r, err) // as a client does: never from within Produce
}

func (p memoryProducer) Flush(context.Context) error { return nil }
func (p memoryProducer) Close()                      {}
