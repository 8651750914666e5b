package testkit

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// Member is one process on a [Broker]: all groups of its routes.
type Member struct {
	b      *Broker
	engine *engine.Engine
	table  *router.Table
}

// Run starts a process with routes on the real engine, creates the topics that they consume and write, and returns when its groups have
// joined. A second Run is a second member of the same groups. It is stopped when the test ends.
func (b *Broker) Run(routes router.Drawer, opts ...Option) *Member {
	b.tb.Helper()
	table, err := router.Draw(routes)
	if err != nil {
		b.tb.Fatalf("testkit: the routes are drawn wrong:\n%v", err)
	}
	o := gather(b.defaults(), append(slices.Clone(b.opts), opts...))
	for topic, n := range o.topics(table) {
		b.create(topic, n)
	}
	o.cfg.Kafka.Brokers = slices.Clone(b.addrs)
	joined := newJournal()
	s := o.settings(b.journal)
	s.Inline = append([]callbacks.Listener{joined}, s.Inline...) // before the one that Await waits for
	s.Connect = recording{kafka.New(o.cfg, nil), &b.journal.outputs}
	m := &Member{b: b, engine: engine.New(table, s), table: table}
	ctx, cancel := b.patience()
	defer cancel()
	if err := m.engine.Start(ctx); err != nil {
		b.tb.Fatalf("testkit: %v", err)
	}
	b.mu.Lock()
	b.members = append(b.members, m)
	b.mu.Unlock()
	b.Await("the groups to join", func() bool {
		groups := map[string]bool{}
		for _, e := range joined.events() {
			if e, ok := e.(callbacks.Joined); ok {
				groups[e.Group] = true
			}
		}
		return len(groups) == len(table.Groups())
	})
	return m
}

// Assigned returns the partitions of a topic that the member has.
func (m *Member) Assigned(topic string) []int32 {
	var ids []int32
	for _, s := range m.engine.Status() {
		if s.Topic == topic && s.State == "fetching" {
			ids = append(ids, s.Partition)
		}
	}
	return ids
}

// Stop drains and stops, as a program does on SIGTERM, and returns what it would.
func (m *Member) Stop() error { return m.engine.Stop(context.Background()) } //nolint:wrapcheck // told as it is

// kill stops without waiting for handlers.
func (m *Member) kill() {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = m.engine.Stop(now) // the test may have abandoned handlers on purpose
}

func (m *Member) position(group string, tp kafka.TopicPartition) int64 {
	for _, s := range m.engine.Status() {
		if s.Group == group && s.Topic == tp.Topic && s.Partition == tp.Partition {
			return s.Position
		}
	}
	return -1
}

// Rebalance lets another member join a group that [Broker.Run] started, take its part of the partitions, and leave.
func (b *Broker) Rebalance(group string) {
	b.tb.Helper()
	var topics []string
	members, partitions := 0, 0
	b.mu.Lock()
	for _, m := range b.members {
		members++
		partitions += len(m.engine.Status())
		for _, g := range m.table.Groups() {
			for _, r := range g.Routes {
				if g.ID == group && !slices.Contains(topics, r.Topic) {
					topics = append(topics, r.Topic)
				}
			}
		}
	}
	b.mu.Unlock()
	if len(topics) == 0 {
		b.tb.Fatalf("testkit: group %q was not started with Run", group)
	}
	cfg := b.Config().ForGroup(group).Group
	got := make(chan struct{}, 1)
	guest, err := kgo.NewClient(
		kgo.SeedBrokers(b.addrs...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topics...), kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(cfg.SessionTimeout),
		kgo.HeartbeatInterval(cfg.HeartbeatInterval), kgo.RebalanceTimeout(cfg.RebalanceTimeout),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			if len(parts) == 0 && members < partitions {
				return // cooperative: what it gets must be given up first
			}
			select {
			case got <- struct{}{}:
			default:
			}
		}),
	)
	if err != nil {
		b.tb.Fatalf("testkit: join group %q: %v", group, err)
	}
	defer guest.Close()
	ctx, cancel := b.patience()
	defer cancel()
	select {
	case <-got:
	case <-ctx.Done():
		b.tb.Fatalf("testkit: waited %s for group %q to rebalance", patience, group)
	}
	if err := guest.LeaveGroupContext(ctx); err != nil {
		b.tb.Fatalf("testkit: leave group %q: %v", group, err)
	}
}

// recording is the connector of a member: it keeps which record had which output written.
type recording struct {
	kafka.Connector

	outputs *outputs
}

// Producer implements kafka.Connector.
func (r recording) Producer() (kafka.Producer, error) { //nolint:ireturn // it implements an interface
	p, err := r.Connector.Producer()
	if err != nil {
		return nil, err //nolint:wrapcheck // as the connector says
	}
	return recordingProducer{p, r.outputs}, nil
}

type recordingProducer struct {
	kafka.Producer

	outputs *outputs
}

// Produce implements kafka.Producer.
func (p recordingProducer) Produce(ctx context.Context, from kafka.Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	p.Producer.Produce(ctx, from, r, p.recorded(from, promise))
}

// ProduceAlone implements kafka.Producer.
func (p recordingProducer) ProduceAlone(ctx context.Context, from kafka.Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	p.Producer.ProduceAlone(ctx, from, r, p.recorded(from, promise))
}

func (p recordingProducer) recorded(from kafka.Source, promise func(*kgo.Record, error)) func(*kgo.Record, error) {
	return func(r *kgo.Record, err error) {
		if err == nil {
			p.outputs.add(from, r)
		}
		promise(r, err)
	}
}
