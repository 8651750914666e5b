package testkit_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

func TestClusterRunsRoutes(t *testing.T) {
	g := NewWithT(t)
	b := testkit.Cluster(t, testkit.Partitions("orders.created", 4))
	first := b.Run((&pricer{}).routes)
	one := b.Produce("orders.created", tea("1"))
	b.AwaitMarked(one)
	g.Expect(one).To(testkit.HaveHandled(1))
	g.Expect(one).To(testkit.HaveResponded(ordersPriced, priced{"1", 640}))
	g.Expect(b.Outputs("orders.priced")).To(HaveLen(1))

	second := b.Run((&pricer{}).routes)
	b.Await("both members to have partitions", func() bool {
		return len(first.Assigned("orders.created")) == 2 && len(second.Assigned("orders.created")) == 2
	})
	var all []*testkit.Delivery
	for id := range int32(4) {
		all = append(all, b.Produce("orders.created", tea("2").On(id)))
	}
	b.AwaitMarked(all...)
	g.Expect(first.Stop()).To(Succeed())
	g.Expect(second.Stop()).To(Succeed())
	for _, d := range all {
		g.Expect(d).To(testkit.HaveCommitted())
		g.Expect(d).To(testkit.HaveHandled(1))
	}
}

func TestClusterRebalances(t *testing.T) {
	g := NewWithT(t)
	b := testkit.Cluster(t, testkit.Partitions("orders.created", 2))
	m := b.Run((&pricer{}).routes)
	one := b.Produce("orders.created", tea("1").On(1))
	b.AwaitMarked(one)
	b.Rebalance("pricing")
	b.Await("all partitions to come back", func() bool { return len(m.Assigned("orders.created")) == 2 })
	g.Expect(testkit.Events[callbacks.Revoked](b)).NotTo(BeEmpty())
	two := b.Produce("orders.created", tea("2").On(1))
	b.AwaitMarked(two)
	g.Expect(one).To(testkit.HaveHandled(1))
	g.Expect(two).To(testkit.HaveHandled(1))
}

func TestClusterFailsRequests(t *testing.T) {
	g := NewWithT(t)
	b := testkit.Cluster(t)
	fault := b.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: 3})
	defer fault.Remove()
	b.Run((&pricer{}).routes)
	one := b.Produce("orders.created", tea("1"))
	b.Await("a commit to fail", func() bool { return len(testkit.Events[callbacks.CommitFailed](b)) > 0 })
	g.Expect(b.Fake().MoveTopicPartition("orders.created", 0, (b.Fake().LeaderFor("orders.created", 0)+1)%3)).To(Succeed())
	two := b.Produce("orders.created", tea("2"))
	b.AwaitMarked(one, two)
	b.Await("the commit", func() bool { return two.Committed() })
}

// The whole program, with its injection and its configuration.
func TestClusterRunsPrograms(t *testing.T) {
	g := NewWithT(t)
	b := testkit.Cluster(t)
	one := b.Produce("orders.created", tea("1"))
	b.Produce("orders.priced", testkit.Tombstone()) // creates the topic, which a program wants to be there
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- framework.Run(ctx, b.Config(), framework.Routes((&pricer{}).routes), framework.Callbacks(b.Listener()))
	}()
	b.AwaitMarked(one)
	cancel()
	g.Expect(<-ended).To(Succeed())
	g.Expect(one).To(testkit.HaveCommitted())
	g.Expect(b.Outputs("orders.priced")).To(HaveLen(2))
}

func TestClusterKeepsToTheTimeOfMessages(t *testing.T) {
	g := NewWithT(t)
	b := testkit.Cluster(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	seen := make(chan time.Time, 1)
	b.Run(func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				seen <- m.Timestamp.UTC()
				return nil
			}))
		})
	})
	b.Produce("a", testkit.Text("x").At(at).Header("h", "v"))
	g.Expect(<-seen).To(Equal(at))
}

func TestClusterFindsTopicsOfPatterns(t *testing.T) {
	g := NewWithT(t)
	b := testkit.Cluster(t, testkit.Partitions("orders.eu", 2))
	m := b.Run(func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Pattern(`orders\..*`).Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil })).AtMostOnce()
		})
	})
	early, late := b.Produce("orders.eu", testkit.Text("x").On(1)), b.Produce("orders.us", testkit.Text("x"))
	b.AwaitMarked(early, late)
	g.Expect(m.Stop()).To(Succeed())
	g.Expect(late).To(And(testkit.HaveHandled(1), testkit.HaveCommitted()))
}
