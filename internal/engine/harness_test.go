package engine_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/internal/fake"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// testBrokers is the environment variable that names a cluster to run the suite on, one test at a time (-parallel 1).
const testBrokers = "KARAFGO_TEST_BROKERS"

// cluster is the embedded broker, or the cluster that the environment names, with a client for the test's own questions.
type cluster struct {
	addrs    []string
	embedded *kfake.Cluster // nil on another cluster

	t     *testing.T
	g     *WithT
	admin *kadm.Client
	cl    *kgo.Client
	login []kgo.Opt // of its clients, where the cluster wants to know who they are
}

func newCluster(t *testing.T, opts ...kfake.Opt) *cluster {
	t.Helper()
	if named := os.Getenv(testBrokers); named != "" && len(opts) == 0 {
		return realCluster(t, strings.Split(named, ","))
	}
	g := NewWithT(t)
	embedded, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond),
		kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": "100"}),
	}, opts...)...)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(embedded.Close)
	fake.AnswerEpochs(embedded)
	cl, err := kgo.NewClient(kgo.SeedBrokers(embedded.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cl.Close)
	return &cluster{addrs: embedded.ListenAddrs(), embedded: embedded, t: t, g: g, admin: kadm.NewClient(cl), cl: cl}
}

// realCluster leaves the cluster as it was: without topics and without groups.
func realCluster(t *testing.T, addrs []string) *cluster {
	t.Helper()
	g := NewWithT(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond))
	g.Expect(err).NotTo(HaveOccurred())
	c := &cluster{addrs: addrs, t: t, g: g, admin: kadm.NewClient(cl), cl: cl}
	admin := c.admin // a test may replace its own
	t.Cleanup(func() {
		defer cl.Close()
		ctx := context.WithoutCancel(t.Context())
		g.Eventually(func(g Gomega) { // a group is not empty until its members have left
			groups, err := admin.ListGroups(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			gone, err := admin.DeleteGroups(ctx, groups.Groups()...)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(gone.Error()).NotTo(HaveOccurred())
			topics, err := admin.ListTopics(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			_, err = admin.DeleteTopics(ctx, topics.Names()...)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(topics).To(BeEmpty())
		}, patience).Should(Succeed())
	})
	return c
}

// ListenAddrs are the addresses that clients begin with.
func (c *cluster) ListenAddrs() []string { return c.addrs }

// fake is the embedded broker, for what is injected into it.
func (c *cluster) fake() *kfake.Cluster {
	c.t.Helper()
	if c.embedded == nil {
		c.t.Skip("its fault is injected into the embedded broker")
	}
	return c.embedded
}

func (c *cluster) Fault(f kfake.Fault) *kfake.FaultHandle { return c.fake().Fault(f) }

// topic creates a topic.
func (c *cluster) topic(name string, partitions int32) {
	c.t.Helper()
	c.g.Eventually(func() error { // one that was deleted may be in the way for a moment
		_, err := c.admin.CreateTopic(c.t.Context(), partitions, -1, nil, name)
		return err
	}, patience).Should(Succeed())
	c.g.Eventually(func(g Gomega) { // and it takes a moment to be there
		topics, err := c.admin.ListTopics(c.t.Context(), name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(topics.Error()).NotTo(HaveOccurred())
		g.Expect(topics[name].Partitions).To(HaveLen(int(partitions)))
	}, patience).Should(Succeed())
}

// produce writes n records with values "0", "1", ... and keys "k<n>" to a partition, and waits until they are acknowledged.
func (c *cluster) produce(topic string, partition int32, n int) {
	c.t.Helper()
	recs := make([]*kgo.Record, n)
	for i := range recs {
		recs[i] = &kgo.Record{Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Append(nil, i)}
	}
	c.send(recs...)
}

func (c *cluster) send(recs ...*kgo.Record) {
	c.t.Helper()
	c.g.Expect(c.cl.ProduceSync(context.Background(), recs...).FirstErr()).To(Succeed())
}

// committed returns the group's offset, -1 for none.
func (c *cluster) committed(group, topic string, partition int32) int64 {
	o, err := c.admin.FetchOffsets(context.Background(), group)
	if err != nil {
		return -2
	}
	if r, ok := o.Lookup(topic, partition); ok {
		return r.At
	}
	return -1
}

// process is one member: an engine with its events and journal.
type process struct {
	*engine.Engine

	t      *testing.T
	g      *WithT
	events *recorder
}

type setup struct {
	cfg     config.Config
	change  func(*engine.Settings)
	connect func(*kafka.Cluster) kafka.Connector
}

// option changes a process before it starts.
type option func(*setup)

func withConfig(fn func(*config.Config)) option { return func(s *setup) { fn(&s.cfg) } }

func withSettings(fn func(*engine.Settings)) option { return func(s *setup) { s.change = fn } }

func withConnector(fn func(*kafka.Cluster) kafka.Connector) option {
	return func(s *setup) { s.connect = fn }
}

// testConfig is quick, so that tests are.
func testConfig(brokers []string) config.Config {
	cfg := config.Default()
	cfg.Kafka.Brokers = brokers
	cfg.Kafka.MetadataMaxAge = 200 * time.Millisecond
	cfg.Group.SessionTimeout = 6 * time.Second
	cfg.Group.HeartbeatInterval = 100 * time.Millisecond
	cfg.Group.RebalanceTimeout = 20 * time.Second
	cfg.Group.Drain = 10 * time.Second
	cfg.Fetch.MaxWait = 100 * time.Millisecond
	cfg.Commit.Interval = 100 * time.Millisecond
	cfg.Shutdown.Drain = 20 * time.Second
	cfg.Shutdown.Grace = time.Second
	cfg.Producer.Linger = 0
	return cfg
}

// draw makes a table or fails the test.
func draw(t *testing.T, d router.Drawer) *router.Table {
	t.Helper()
	table, err := router.Draw(d)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return table
}

// prepare makes a process that is not started.
func (c *cluster) prepare(t *testing.T, d router.Drawer, opts ...option) *process {
	t.Helper()
	s := setup{cfg: testConfig(c.ListenAddrs())}
	for _, o := range opts {
		o(&s)
	}
	var connect kafka.Connector = kafka.New(s.cfg, nil)
	if s.connect != nil {
		connect = s.connect(kafka.New(s.cfg, nil))
	}
	settings := engine.Configure(s.cfg)
	settings.Connect = connect
	rec := newRecorder()
	settings.Inline = append(settings.Inline, rec)
	if s.change != nil {
		s.change(&settings)
	}
	return &process{Engine: engine.New(draw(t, d), settings), t: t, g: NewWithT(t), events: rec}
}

// run starts a process and stops it when the test ends.
func (c *cluster) run(t *testing.T, d router.Drawer, opts ...option) *process {
	t.Helper()
	p := c.prepare(t, d, opts...)
	p.g.Expect(p.Start(t.Context())).To(Succeed())
	t.Cleanup(p.kill)
	return p
}

// kill ends a process without waiting for its handlers.
func (p *process) kill() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.Stop(ctx)
}

// stop drains.
func (p *process) stop() {
	p.t.Helper()
	p.g.Expect(p.Stop(context.Background())).To(Succeed())
}

// assignedTo returns the partitions of a topic that the process has.
func (p *process) assignedTo(topic string) []int32 {
	var ids []int32
	for _, s := range p.Status() {
		if s.Topic == topic && s.State == "fetching" {
			ids = append(ids, s.Partition)
		}
	}
	return ids
}

// recorder keeps events and wakes who waits for them.
type recorder struct {
	mu     sync.Mutex
	events []callbacks.Event
	change chan struct{}
}

func newRecorder() *recorder { return &recorder{change: make(chan struct{})} }

func (r *recorder) OnEvent(_ context.Context, e callbacks.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	close(r.change)
	r.change = make(chan struct{})
}

func (r *recorder) all() []callbacks.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// of returns the events of one kind that match.
func of[E callbacks.Event](r *recorder, match ...func(E) bool) []E {
	var found []E
	for _, e := range r.all() {
		v, ok := e.(E)
		if !ok {
			continue
		}
		if len(match) == 0 || match[0](v) {
			found = append(found, v)
		}
	}
	return found
}

// await waits for n events of one kind that match, and returns them.
func await[E callbacks.Event](t *testing.T, r *recorder, n int, match ...func(E) bool) []E {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		change := r.change
		r.mu.Unlock()
		if found := of(r, match...); len(found) >= n {
			return found
		}
		select {
		case <-change:
		case <-deadline:
			t.Fatalf("waited for %d events %T, have %d of %d events: %+v", n, *new(E), len(of(r, match...)), len(r.all()), tail(r.all(), 30))
		}
	}
}

func tail[T any](s []T, n int) []T { return s[max(len(s)-n, 0):] }

// journal is what handlers were given, in order.
type journal struct {
	mu      sync.Mutex
	entries []entry
	change  chan struct{}
}

type entry struct {
	member    string
	topic     string
	partition int32
	offset    int64
	attempt   int
	value     string
}

func newJournal() *journal { return &journal{change: make(chan struct{})} }

func (j *journal) note(member string, m *consumer.Message) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry{member, m.Topic, m.Record.Partition, m.Offset, m.Attempt(), string(m.Value)})
	close(j.change)
	j.change = make(chan struct{})
}

// handler notes every record and succeeds.
func (j *journal) handler(member string) consumer.Handler {
	return consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		j.note(member, m)
		return nil
	})
}

func (j *journal) all() []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

// offsets returns the offsets noted for a partition, in order.
func (j *journal) offsets(topic string, partition int32) []int64 {
	var list []int64
	for _, e := range j.all() {
		if e.topic == topic && e.partition == partition {
			list = append(list, e.offset)
		}
	}
	return list
}

// unique counts different records.
func (j *journal) unique() int {
	seen := map[string]bool{}
	for _, e := range j.all() {
		seen[fmt.Sprint(e.topic, "/", e.partition, "@", e.offset)] = true
	}
	return len(seen)
}

// await waits until done is true of the journal.
func (j *journal) await(t *testing.T, what string, done func(*journal) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		j.mu.Lock()
		change := j.change
		j.mu.Unlock()
		if done(j) {
			return
		}
		select {
		case <-change:
		case <-deadline:
			t.Fatalf("waited for %s; last entries: %+v", what, tail(j.all(), 20))
		}
	}
}

// awaitRecords waits for n different records.
func (j *journal) awaitRecords(t *testing.T, n int) {
	t.Helper()
	j.await(t, fmt.Sprintf("%d records, have %d", n, j.unique()), func(j *journal) bool { return j.unique() >= n })
}

// sequence is 0..n-1.
func sequence(n int) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = int64(i)
	}
	return s
}

func record(topic string, partition int32, value string) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
}

// buffered returns the bytes that the group's queues keep alive now, and the most they ever did.
func (p *process) buffered(group string) (now, most int64) {
	for _, s := range p.Groups() {
		if s.Group == group {
			return s.Buffered, s.MaxBuffered
		}
	}
	return 0, 0
}

// paused returns the reasons for which a partition is paused.
func (p *process) paused(topic string, partition int32) []string {
	for _, s := range p.Status() {
		if s.Topic == topic && s.Partition == partition {
			return s.Paused
		}
	}
	return nil
}
