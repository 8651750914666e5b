package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/fake"
	"github.com/karafgo/karafgo/internal/kafka"
)

// testBrokers is the environment variable that names a cluster to test on, as host:port separated by commas.
const testBrokers = "KARAFGO_TEST_BROKERS"

// Broker is a cluster for a test: the embedded one, or the one that KARAFGO_TEST_BROKERS names. Its methods wait for what they do, 30 s at
// most, and fail the test otherwise.
type Broker struct {
	tb      testing.TB
	opts    []Option
	addrs   []string
	fake    *kfake.Cluster // nil on a cluster of others
	client  *kgo.Client
	admin   *kadm.Client
	journal *journal

	mu      sync.Mutex
	created []string
	members []*Member
}

// Cluster starts the embedded broker, or connects to the cluster that KARAFGO_TEST_BROKERS names, as "localhost:9092,localhost:9093".
// Topics are created as they are needed, and deleted when the test ends; a topic that exists already fails the test, so that nothing of
// others is touched. Tests that use the same topics must not run at the same time on a cluster of others.
func Cluster(tb testing.TB, opts ...Option) *Broker {
	tb.Helper()
	b := &Broker{tb: tb, opts: opts, journal: newJournal()}
	if named := os.Getenv(testBrokers); named != "" {
		b.addrs = strings.Split(named, ",")
	} else {
		b.embed()
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.MetadataMinAge(quick), kgo.RecordPartitioner(partitioner{}))
	if err != nil {
		tb.Fatalf("testkit: %v", err)
	}
	b.client, b.admin = cl, kadm.NewClient(cl)
	tb.Cleanup(b.close)
	ctx, cancel := b.patience()
	defer cancel()
	if err := cl.Ping(ctx); err != nil {
		tb.Fatalf("testkit: no broker answers at %s (%s): %v", strings.Join(b.addrs, ", "), testBrokers, err)
	}
	for topic, n := range gather(b.defaults(), opts).partitions {
		b.create(topic, n)
	}
	return b
}

const (
	quick   = 50 * time.Millisecond
	brokers = 3 // so that leaders can move
)

func (b *Broker) embed() {
	embedded, err := kfake.NewCluster(kfake.NumBrokers(brokers), kfake.GroupMinSessionTimeout(2*quick))
	if err != nil {
		b.tb.Fatalf("testkit: start the embedded broker: %v", err)
	}
	b.fake, b.addrs = embedded, embedded.ListenAddrs()
	fake.AnswerEpochs(embedded)
}

// defaults are quick, so that tests are.
func (b *Broker) defaults() config.Config {
	cfg := config.Default()
	cfg.Kafka.MetadataMaxAge = 4 * quick
	cfg.Group.SessionTimeout = 6 * time.Second
	cfg.Group.HeartbeatInterval = 2 * quick
	cfg.Group.RebalanceTimeout = patience
	cfg.Group.Drain = patience / 3
	cfg.Fetch.MaxWait = 2 * quick
	cfg.Commit.Interval = 2 * quick
	cfg.Producer.Linger = 0
	cfg.Shutdown.Drain = patience / 3
	cfg.Shutdown.Grace = time.Second
	cfg.HTTP.Listen = ""
	return cfg
}

// Config is a configuration for framework.Run that reaches the cluster, with short intervals and no HTTP listener.
func (b *Broker) Config() config.Config {
	cfg := gather(b.defaults(), b.opts).cfg
	cfg.Kafka.Brokers = slices.Clone(b.addrs)
	return cfg
}

// Listener is to be given to framework.Callbacks by a test that runs a program: what becomes of a message is told by events.
func (b *Broker) Listener() callbacks.Listener { return b.journal }

// Fake is the embedded broker, to be told to fail, to move leaders and the like. It skips the test on a cluster of others, which nobody can
// tell.
func (b *Broker) Fake() *kfake.Cluster {
	b.tb.Helper()
	if b.fake == nil {
		b.tb.Skipf("needs the embedded broker, and %s is set", testBrokers)
	}
	return b.fake
}

func (b *Broker) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// create makes a topic, unless this broker has made it before.
func (b *Broker) create(topic string, partitions int) {
	b.tb.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(b.created, topic) {
		return
	}
	ctx, cancel := b.patience()
	defer cancel()
	_, err := b.admin.CreateTopic(ctx, int32(max(partitions, 1)), -1, nil, topic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		b.tb.Fatalf("testkit: topic %q exists on %s: the kit creates and deletes its topics, so name other ones or use another cluster",
			topic, strings.Join(b.addrs, ", "))
	}
	if err != nil {
		b.tb.Fatalf("testkit: create topic %q: %v", topic, err)
	}
	b.created = append(b.created, topic)
	again := time.NewTicker(quick / 10)
	defer again.Stop()
	for { // a real broker knows it a moment later
		if found, err := b.admin.ListTopics(ctx, topic); err == nil && found.Has(topic) && len(found[topic].Partitions) > 0 {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			b.tb.Fatalf("testkit: topic %q was created, and the cluster does not know it", topic)
		}
	}
}

func (b *Broker) close() {
	if b.tb.Failed() {
		b.tb.Logf("what happened:\n%s", b.journal)
	}
	for _, m := range b.members {
		m.kill()
	}
	if b.fake != nil {
		b.client.Close()
		b.fake.Close()
		return
	}
	ctx, cancel := b.patience()
	defer cancel()
	if _, err := b.admin.DeleteTopics(ctx, b.created...); err != nil && len(b.created) > 0 {
		b.tb.Errorf("testkit: delete topics %q: %v", b.created, err)
	}
	_, _ = b.admin.DeleteGroups(ctx, b.groups()...) // they expire otherwise
	b.client.Close()
}

func (b *Broker) groups() []string {
	var ids []string
	for _, e := range b.journal.all() {
		if started, ok := e.event.(callbacks.Started); ok && !slices.Contains(ids, started.Group) {
			ids = append(ids, started.Group)
		}
	}
	return ids
}

// Produce writes a message to a topic and returns when the cluster has it.
func (b *Broker) Produce(topic string, m *Message) *Delivery {
	b.tb.Helper()
	return b.ProduceAll(topic, m)[0]
}

// ProduceAll writes messages to a topic, those of a partition in order.
func (b *Broker) ProduceAll(topic string, ms ...*Message) []*Delivery {
	b.tb.Helper()
	b.create(topic, gather(b.defaults(), b.opts).partitions[topic])
	ctx, cancel := b.patience()
	defer cancel()
	records := make([]*kgo.Record, len(ms))
	ds := make([]*Delivery, len(ms))
	for i, m := range ms {
		records[i] = m.record(topic)
		records[i].Partition = m.partition
		ds[i] = &Delivery{Record: records[i], src: b}
	}
	if err := b.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		b.tb.Fatalf("testkit: produce to topic %q: %v", topic, err)
	}
	return ds
}

// Outputs reads a topic from its first record to its last, by partition and offset.
func (b *Broker) Outputs(topic string) []*kgo.Record {
	b.tb.Helper()
	ctx, cancel := b.patience()
	defer cancel()
	ends, err := b.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		b.tb.Fatalf("testkit: read topic %q: %v", topic, err)
	}
	from := map[string]map[int32]kgo.Offset{topic: {}}
	left := 0
	ends.Each(func(o kadm.ListedOffset) {
		from[topic][o.Partition] = kgo.NewOffset().AtStart()
		if o.Offset > 0 {
			left++
		}
	})
	reader, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.ConsumePartitions(from), kgo.KeepControlRecords())
	if err != nil {
		b.tb.Fatalf("testkit: read topic %q: %v", topic, err)
	}
	defer reader.Close()
	var found []*kgo.Record
	for left > 0 {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			b.tb.Fatalf("testkit: read topic %q: not all records came within %s", topic, patience)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset == end.Offset-1 {
				left--
			}
			if !r.Attrs.IsControl() {
				found = append(found, r)
			}
		})
	}
	slices.SortStableFunc(found, func(x, y *kgo.Record) int { return int(x.Partition) - int(y.Partition) })
	return found
}

// Committed returns what the group has committed: the next offset to consume, -1 for none.
func (b *Broker) Committed(group, topic string, partition int32) int64 {
	b.tb.Helper()
	ctx, cancel := b.patience()
	defer cancel()
	all, err := b.admin.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) { // nobody has joined yet
		return -1
	}
	if err != nil {
		b.tb.Fatalf("testkit: read the offsets of group %q: %v", group, err)
	}
	if at, ok := all.Lookup(topic, partition); ok {
		return at.At
	}
	return -1
}

// Events returns everything that happened so far in all members, in order.
func (b *Broker) Events() []callbacks.Event { return b.journal.events() }

// AwaitMarked waits, by events, until the messages are marked as consumed.
func (b *Broker) AwaitMarked(ds ...*Delivery) {
	b.tb.Helper()
	b.await(func() string {
		for _, d := range ds {
			if len(b.groupsOf(d.Topic)) == 0 || !d.Marked() {
				return fmt.Sprintf("not marked:\n%v", d)
			}
		}
		return ""
	})
}

// Await waits until done, which it asks after each event.
func (b *Broker) Await(what string, done func() bool) {
	b.tb.Helper()
	b.await(func() string {
		if done() {
			return ""
		}
		return what
	})
}

// await waits until nothing is missing.
func (b *Broker) await(missing func() string) {
	b.tb.Helper()
	deadline := time.After(patience)
	for {
		change := b.journal.change()
		what := missing()
		if what == "" {
			return
		}
		select {
		case <-change:
		case <-deadline:
			b.tb.Fatalf("testkit: waited %s for: %s", patience, what)
		}
	}
}

func (b *Broker) history() *journal                { return b.journal }
func (b *Broker) failf(format string, args ...any) { b.tb.Helper(); b.tb.Fatalf(format, args...) }

func (b *Broker) groupsOf(topic string) []string {
	var ids []string
	add := func(group string, consumes bool) {
		if consumes && !slices.Contains(ids, group) {
			ids = append(ids, group)
		}
	}
	for _, e := range b.journal.all() {
		switch e := e.event.(type) {
		case callbacks.Started:
			add(e.Group, slices.Contains(e.Topics, topic))
		case callbacks.TopicFound:
			add(e.Group, e.Topic == topic)
		}
	}
	return ids
}

// marked asks the members, and the events for programs that the kit did not start.
func (b *Broker) marked(group string, tp kafka.TopicPartition, offset int64) bool {
	b.mu.Lock()
	members := slices.Clone(b.members)
	b.mu.Unlock()
	for _, m := range members {
		if m.position(group, tp) > offset {
			return true
		}
	}
	for _, e := range b.journal.all() {
		c, ok := e.event.(callbacks.Committed)
		if ok && c.Group == group && c.Topic == tp.Topic && c.Partition == tp.Partition && c.Offset > offset {
			return true
		}
	}
	return false
}
