package framework_test

import (
	"context"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
)

// spying is a balancer that notes that it was asked.
type spying struct {
	kgo.GroupBalancer

	mu    sync.Mutex
	asked int
}

func (s *spying) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	return s.GroupBalancer.MemberBalancer(members)
}

var _ = Describe("Membership", func() {
	It("consumes only what is chosen", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 0)
		cfg := quick(c.addrs)
		cfg.Routes.ExcludeGroups = []string{"b"}
		var mu sync.Mutex
		var groups []string
		Expect(runs(ctx, cfg, framework.Routes(func(r *router.Router) {
			for _, id := range []string{"a", "b"} {
				r.Group(id, func(g *router.Group) { g.Topic("t").Each(&counter{}) })
			}
		}), framework.Callbacks(callbacks.On(func(_ context.Context, e callbacks.Started) {
			mu.Lock()
			defer mu.Unlock()
			groups = append(groups, e.Group)
		})))).To(Succeed())
		Expect(groups).To(Equal([]string{"a"}))
	}, NodeTimeout(patience))

	It("distributes by a balancer of the program", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 0)
		own := &spying{GroupBalancer: kgo.RoundRobinBalancer()}
		Expect(runs(ctx, quick(c.addrs), framework.Routes(each(&counter{})), framework.Balancers(own))).To(Succeed())
		Expect(own.asked).To(BeNumerically(">", 0))
		cfg := quick(c.addrs)
		cfg.Group.Protocol, cfg.Group.HeartbeatInterval = "consumer", framework.DefaultConfig().Group.HeartbeatInterval
		Expect(runs(ctx, cfg, framework.Routes(each(&counter{})), framework.Balancers(own))).To(MatchError(ContainSubstring("the broker distributes")))
	}, NodeTimeout(patience))

	DescribeTable("joins by every protocol and balancer", func(ctx SpecContext, protocol, balancer string) {
		c := newBroker(ctx, "t", 3)
		cfg := quick(c.addrs)
		cfg.Group.Protocol, cfg.Group.Balancers = protocol, []string{balancer}
		if protocol == "consumer" {
			cfg.Group.HeartbeatInterval = framework.DefaultConfig().Group.HeartbeatInterval
		}
		cfg.Kafka.Rack = "eu-1"
		Expect(runs(ctx, cfg, framework.Routes(each(&counter{})))).To(Succeed())
	},
		Entry(nil, "classic", "cooperative-sticky", NodeTimeout(patience)),
		Entry(nil, "classic", "sticky", NodeTimeout(patience)),
		Entry(nil, "classic", "range", NodeTimeout(patience)),
		Entry(nil, "classic", "round-robin", NodeTimeout(patience)),
		Entry(nil, "consumer", "cooperative-sticky", NodeTimeout(patience)),
		Entry(nil, "consumer", "range", NodeTimeout(patience)),
	)
})
