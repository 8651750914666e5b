package testkit

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/kafka"
)

// member is the one member of a group in memory. It implements kafka.Consumer.
type member struct {
	c     *memory
	group kafka.Group
	cb    kafka.Callbacks
	wake  chan struct{}
	calls chan func() // callbacks run one after the other
	quit  chan struct{}
	idle  sync.WaitGroup

	mu     sync.Mutex
	owned  map[kafka.TopicPartition]*cursor
	closed bool
}

// cursor is where an owned partition is read.
type cursor struct {
	next       int64
	positioned bool
	paused     bool
}

// Consumer implements kafka.Connector: the member gets all partitions of its topics.
func (c *memory) Consumer(g kafka.Group, cb kafka.Callbacks) (kafka.Consumer, error) { //nolint:ireturn // it implements an interface
	m := &member{
		c: c, group: g, cb: cb, wake: make(chan struct{}, 1), calls: make(chan func(), 1000),
		quit: make(chan struct{}), owned: map[kafka.TopicPartition]*cursor{},
	}
	c.mu.Lock()
	c.members[g.ID] = m
	all := map[string][]int32{}
	for _, topic := range g.Topics {
		for id := range c.topics[topic] {
			all[topic] = append(all[topic], int32(id))
		}
	}
	c.mu.Unlock()
	m.idle.Go(m.loop)
	m.call(func() { m.assign(all) })
	return m, nil
}

func (m *member) loop() {
	for {
		select {
		case fn := <-m.calls:
			fn()
		case <-m.quit:
			return
		}
	}
}

func (m *member) call(fn func()) {
	select {
	case m.calls <- fn:
	case <-m.quit:
	}
}

func (m *member) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// assign grants partitions and lets the engine say where to read them.
func (m *member) assign(parts map[string][]int32) {
	m.mu.Lock()
	for topic, ids := range parts {
		for _, id := range ids {
			m.owned[kafka.TopicPartition{Topic: topic, Partition: id}] = &cursor{}
		}
	}
	m.mu.Unlock()
	m.cb.Assigned(context.Background(), parts)
	m.c.mu.Lock()
	committed := maps.Clone(m.c.store(m.group.ID).committed)
	m.c.mu.Unlock()
	for topic, ids := range parts {
		for _, id := range ids {
			tp := kafka.TopicPartition{Topic: topic, Partition: id}
			if _, ok := committed[tp]; !ok {
				committed[tp] = kafka.Committed{Offset: -1, Epoch: -1}
			}
		}
	}
	at, err := m.cb.Position(context.Background(), committed)
	if err != nil {
		return
	}
	m.mu.Lock()
	for tp, o := range at {
		if c := m.owned[tp]; c != nil {
			c.next, c.positioned = o.Offset, true
		}
	}
	m.mu.Unlock()
	m.signal()
}

// release takes partitions away.
func (m *member) release(parts map[string][]int32, lost bool) {
	m.mu.Lock()
	for topic, ids := range parts {
		for _, id := range ids {
			delete(m.owned, kafka.TopicPartition{Topic: topic, Partition: id})
		}
	}
	m.mu.Unlock()
	if lost {
		m.cb.Lost(context.Background(), parts)
		return
	}
	m.cb.Revoked(context.Background(), parts)
}

// PollRecords implements kafka.Consumer.
func (m *member) PollRecords(ctx context.Context, most int) kgo.Fetches {
	for {
		if fetches, ok := m.fetch(most); ok {
			return fetches
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// fetch returns what there is to read, partitions in order.
func (m *member) fetch(most int) (kgo.Fetches, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return kgo.NewErrFetch(kgo.ErrClientClosed), true
	}
	tps := slices.SortedFunc(maps.Keys(m.owned), func(a, b kafka.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	var f kgo.Fetch
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	for _, tp := range tps {
		at := m.owned[tp]
		log := m.c.topics[tp.Topic][tp.Partition]
		if !at.positioned || at.paused || most == 0 || at.next >= int64(len(log)) {
			continue
		}
		n := min(most, len(log)-int(at.next))
		recs := make([]*kgo.Record, n)
		for i, r := range log[at.next:][:n] {
			own := *r // a handler may change what it gets
			recs[i] = &own
		}
		most -= n
		at.next += int64(n)
		if len(f.Topics) == 0 || f.Topics[len(f.Topics)-1].Topic != tp.Topic {
			f.Topics = append(f.Topics, kgo.FetchTopic{Topic: tp.Topic})
		}
		t := &f.Topics[len(f.Topics)-1]
		t.Partitions = append(t.Partitions, kgo.FetchPartition{Partition: tp.Partition, HighWatermark: int64(len(log)), Records: recs})
	}
	if len(f.Topics) == 0 {
		return nil, false
	}
	return kgo.Fetches{f}, true
}

// PauseFetchPartitions implements kafka.Consumer.
func (m *member) PauseFetchPartitions(parts map[string][]int32) map[string][]int32 {
	m.pause(parts, true)
	return parts
}

// ResumeFetchPartitions implements kafka.Consumer.
func (m *member) ResumeFetchPartitions(parts map[string][]int32) {
	m.pause(parts, false)
	m.signal()
}

func (m *member) pause(parts map[string][]int32, paused bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, ids := range parts {
		for _, id := range ids {
			if c := m.owned[kafka.TopicPartition{Topic: topic, Partition: id}]; c != nil {
				c.paused = paused
			}
		}
	}
}

// SetOffsets implements kafka.Consumer.
func (m *member) SetOffsets(to map[string]map[int32]kgo.EpochOffset) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, ids := range to {
		for id, o := range ids {
			if c := m.owned[kafka.TopicPartition{Topic: topic, Partition: id}]; c != nil {
				c.next, c.positioned = o.Offset, true
			}
		}
	}
	m.signal()
}

// AddConsumeTopics implements kafka.Consumer.
func (m *member) AddConsumeTopics(topics ...string) {
	all := map[string][]int32{}
	for _, topic := range topics {
		for id := range m.c.partitions(topic) {
			all[topic] = append(all[topic], int32(id))
		}
	}
	if len(all) > 0 {
		m.call(func() { m.assign(all) })
	}
}

// PurgeTopicsFromConsuming implements kafka.Consumer; no topic is ever deleted.
func (m *member) PurgeTopicsFromConsuming(...string) {}

// SetPartitionBytes implements kafka.Consumer; nothing is fetched in bytes.
func (m *member) SetPartitionBytes(int64) {}

// Commit implements kafka.Consumer.
func (m *member) Commit(_ context.Context, at kafka.Offsets) (map[kafka.TopicPartition]error, error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	s := m.c.store(m.group.ID)
	if len(s.fail) > 0 {
		err := s.fail[0]
		s.fail = s.fail[1:]
		return nil, err
	}
	for tp, o := range at {
		s.committed[tp] = kafka.Committed(o)
	}
	return map[kafka.TopicPartition]error{}, nil
}

// FetchOffset implements kafka.Consumer.
func (m *member) FetchOffset(_ context.Context, tp kafka.TopicPartition) (kafka.Committed, error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if at, ok := m.c.store(m.group.ID).committed[tp]; ok {
		return at, nil
	}
	return kafka.Committed{Offset: -1, Epoch: -1}, nil
}

// ListOffsets implements kafka.Consumer.
func (m *member) ListOffsets(_ context.Context, at kafka.At, topics ...string) (map[kafka.TopicPartition]int64, error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	found := map[kafka.TopicPartition]int64{}
	for _, topic := range topics {
		for id, log := range m.c.topics[topic] {
			offset := int64(0)
			switch {
			case at == kafka.AtEnd:
				offset = int64(len(log))
			case !at.Time().IsZero():
				i := slices.IndexFunc(log, func(r *kgo.Record) bool { return !r.Timestamp.Before(at.Time()) })
				if offset = int64(i); i < 0 {
					offset = int64(len(log))
				}
			}
			found[kafka.TopicPartition{Topic: topic, Partition: int32(id)}] = offset
		}
	}
	return found, nil
}

// MemberID implements kafka.Consumer.
func (m *member) MemberID() string { return m.group.ID }

// Leave implements kafka.Consumer.
func (m *member) Leave(context.Context) error {
	m.mu.Lock()
	parts := map[string][]int32{}
	for tp := range m.owned {
		parts[tp.Topic] = append(parts[tp.Topic], tp.Partition)
	}
	m.mu.Unlock()
	left := make(chan struct{})
	m.call(func() {
		m.release(parts, false)
		close(left)
	})
	select {
	case <-left:
	case <-m.quit:
	}
	return nil
}

// Close implements kafka.Consumer.
func (m *member) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	m.mu.Unlock()
	m.signal()
	close(m.quit)
	m.idle.Wait()
	m.c.mu.Lock()
	delete(m.c.members, m.group.ID)
	m.c.mu.Unlock()
}
