package admin_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/router"
)

// site is a cluster of three brokers and what operators do to it.
type site struct {
	g     *WithT
	fake  *kfake.Cluster
	admin *admin.Cluster
	kadm  *kadm.Client
	cl    *kgo.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	g := NewWithT(t)
	fake, err := kfake.NewCluster(kfake.NumBrokers(3))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(fake.Close)
	a, err := admin.Open(kgo.SeedBrokers(fake.ListenAddrs()...))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(a.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cl.Close)
	return &site{g, fake, a, kadm.NewClient(cl), cl}
}

func (s *site) topic(name string, partitions int32, replication int16) {
	_, err := s.kadm.CreateTopic(context.Background(), partitions, replication, nil, name)
	s.g.Expect(err).NotTo(HaveOccurred())
}

// plan is the steps in lines.
func (s *site) plan(table *router.Table) (lines []string) {
	steps, err := s.admin.Plan(context.Background(), table)
	s.g.Expect(err).NotTo(HaveOccurred())
	for _, step := range steps {
		lines = append(lines, fmt.Sprintf("%s %s: %s", step.Action, step.Topic, step))
	}
	return lines
}

func (s *site) apply(table *router.Table) (outcomes []string, err error) {
	steps, err := s.admin.Plan(context.Background(), table)
	s.g.Expect(err).NotTo(HaveOccurred())
	err = s.admin.Apply(context.Background(), steps, func(step admin.Step, err error) {
		outcomes = append(outcomes, fmt.Sprintf("%s %s %t", step.Action, step.Topic, err == nil))
	})
	return outcomes, err
}

func draw(g *WithT, drawers ...router.Drawer) *router.Table {
	table, err := router.Draw(drawers...)
	g.Expect(err).NotTo(HaveOccurred())
	return table
}

// in draws a route of a topic, with steps for failures.
func in(group, topic string, steps ...router.Step) router.Drawer {
	return func(r *router.Router) {
		r.Group(group, func(g *router.Group) {
			route := g.Topic(topic).Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil }))
			if len(steps) > 0 {
				route.OnFailure(steps...)
			}
		})
	}
}

func declare(topic string, opts ...router.TopicOption) router.Drawer {
	return func(r *router.Router) { r.Declare(topic, opts...) }
}

func TestPlanSaysWhatIsMissingAndApplyMakesIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 3, 2)
	table := draw(s.g,
		declare("a", router.Partitions(6), router.Replication(3), router.TopicConfig("retention.ms", "1000")),
		declare("new", router.Partitions(2), router.Replication(1), router.TopicConfig("cleanup.policy", "compact")),
		in("g", "a", router.RetryLater(time.Second), router.DeadLetter("a.dlq")),
		in("g", "undeclared", router.DeadLetter("undeclared.dlq")),
	)
	s.g.Expect(s.plan(table)).To(Equal([]string{
		"add_partitions a: 3 to 6",
		"set_config a: retention.ms from 604800000 to 1000",
		"drift a: has replication 2, 3 declared: reassign its partitions",
		"create a.dlq: 6 partitions, default replication",
		"create a.g.retry.1s: 6 partitions, default replication",
		"create new: 2 partitions, replication 1, cleanup.policy=compact",
		"missing undeclared: not declared: create it, or r.Declare it",
		"missing undeclared.dlq: created when there is undeclared",
	}))
	outcomes, err := s.apply(table)
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(outcomes).To(Equal([]string{
		"add_partitions a true", "set_config a true", "create a.dlq true", "create a.g.retry.1s true", "create new true",
	}))
	s.g.Expect(s.plan(table)).To(Equal([]string{
		"drift a: has replication 2, 3 declared: reassign its partitions",
		"missing undeclared: not declared: create it, or r.Declare it",
		"missing undeclared.dlq: created when there is undeclared",
	}), "what is applied is done, the rest is left")
	topics, err := s.kadm.ListTopics(t.Context(), "a", "a.dlq", "a.g.retry.1s", "new")
	s.g.Expect(err).NotTo(HaveOccurred())
	for name, n := range map[string]int{"a": 6, "a.dlq": 6, "a.g.retry.1s": 6, "new": 2} {
		s.g.Expect(topics[name].Partitions).To(HaveLen(n), name)
	}
	configs, err := s.kadm.DescribeTopicConfigs(t.Context(), "new")
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(configs[0].Configs).To(ContainElement(And(HaveField("Key", "cleanup.policy"), HaveField("MaybeValue()", "compact"))))
}

func TestPlanLeavesAloneWhatWouldLoseRecords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 3, 1)
	s.topic("a.g.retry.1s", 4, 1)
	s.topic("a.dlq", 5, 1)
	table := draw(s.g, declare("a", router.Partitions(2)), in("g", "a", router.RetryLater(time.Second), router.DeadLetter("a.dlq")))
	s.g.Expect(s.plan(table)).To(Equal([]string{
		"drift a: has 3 partitions, 2 declared: only a new topic has fewer",
		"drift a.g.retry.1s: has 4 partitions, a has 3: only a new topic has fewer",
	}), "a dead letter topic may have more")
	outcomes, err := s.apply(table)
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(outcomes).To(BeEmpty())
}

func TestTopicsOfFailuresGrowWithTheirSource(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 4, 1)
	s.topic("b", 5, 1)
	s.topic("a.g.retry.1s", 2, 1)
	s.topic("dlq", 2, 1)
	s.topic("own.dlq", 1, 1)
	table := draw(s.g,
		in("g", "a", router.RetryLater(time.Second), router.DeadLetter("dlq")),
		in("g", "b", router.DeadLetter("dlq")),
		in("h", "b", router.DeadLetter("own.dlq")),
		declare("own.dlq", router.Partitions(1)),
	)
	s.g.Expect(s.plan(table)).To(Equal([]string{"add_partitions a.g.retry.1s: 2 to 4", "add_partitions dlq: 2 to 5"}))
}

func TestPlanKnowsPatterns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("orders.eu", 2, 1)
	s.topic("other", 1, 1)
	table := draw(s.g, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Pattern(`orders\..*`).Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil })).
				OnFailure(router.DeadLetter("orders.dlq"))
		})
	})
	s.g.Expect(s.plan(table)).To(Equal([]string{"create orders.dlq: default partitions, default replication"}))
	topics, err := s.admin.Topics(t.Context(), table)
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(topics).To(HaveExactElements(
		And(HaveField("Name", "orders.dlq"), HaveField("Exists", false), HaveField("DeadLetters", true), HaveField("ConsumedBy", BeEmpty())),
		And(HaveField("Name", "orders.eu"), HaveField("Partitions", 2), HaveField("Replication", 1), HaveField("ConsumedBy", []string{"g"})),
	))
	s.g.Expect(admin.DeadLetterTopics(table)).To(Equal([]string{"orders.dlq"}))
}

func TestApplyGoesOnAfterFailures(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 1, 1)
	s.topic("b", 1, 1)
	table := draw(s.g, declare("a", router.Partitions(2)), declare("b", router.TopicConfig("retention.ms", "1")),
		declare("c", router.Partitions(1), router.Replication(9)), declare("d", router.Partitions(1)), in("g", "d"))
	s.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreatePartitions}, Topic: "a", Err: kerr.PolicyViolation, Count: -1})
	s.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.IncrementalAlterConfigs}, Resource: "b", Err: kerr.InvalidConfig, Count: -1})
	outcomes, err := s.apply(table)
	s.g.Expect(outcomes).To(Equal([]string{"add_partitions a false", "set_config b false", "create c false", "create d true"}))
	s.g.Expect(err).To(MatchError(And(ContainSubstring(`add partitions topic "a": POLICY_VIOLATION`),
		ContainSubstring(`set config topic "b": INVALID_CONFIG`), ContainSubstring(`create topic "c": INVALID_REPLICATION_FACTOR`))))
	s.g.Expect(strings.Count(err.Error(), "\n")).To(Equal(2), "one line each")
}

func TestApplyEndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	table := draw(s.g, declare("a"), declare("b"), in("g", "a"))
	steps, err := s.admin.Plan(t.Context(), table)
	s.g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(t.Context())
	var done []string
	err = s.admin.Apply(ctx, steps, func(step admin.Step, _ error) {
		done = append(done, step.Topic)
		cancel()
	})
	s.g.Expect(err).To(And(MatchError(context.Canceled), MatchError(ContainSubstring(`interrupted at topic "b"`))))
	s.g.Expect(done).To(Equal([]string{"a"}))
}

func TestPlanSaysWhichTopicsItMayNotSee(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 1, 1)
	s.topic("b", 1, 1)
	s.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "a", Err: kerr.TopicAuthorizationFailed, Count: -1})
	_, err := s.admin.Plan(t.Context(), draw(s.g, in("g", "a"), in("g", "b")))
	s.g.Expect(err).To(MatchError(And(ContainSubstring(`topic "a": add an ACL`), Not(ContainSubstring(`"b"`)))))
}
