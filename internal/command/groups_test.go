package command_test

import (
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.yaml.in/yaml/v3"
)

var _ = Describe("groups", func() {
	It("are listed, and shown with members and partitions", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"orders.created": 3, "orders.priced": 1})
		l := c.console()
		Expect(l.good("groups")).To(Equal("no groups\n"))
		c.write(ctx, &kgo.Record{Topic: "orders.created"}, &kgo.Record{Topic: "orders.created", Partition: 2})
		c.commit(ctx, "mail", "orders.created", 0, 1)
		c.commit(ctx, "search", "orders.created", 0, 0)
		c.commit(ctx, "search", "orders.priced", 0, 0)
		Expect(l.good("groups")).To(Equal(`GROUP   STATE  PROTOCOL  MEMBERS  LAG  TOPICS
mail    Empty  classic   0        1    orders.created
search  Empty  classic   0        2    orders.created, orders.priced
`))
		l.columns = 62
		Expect(l.good("groups")).To(ContainSubstring("orders.created, orders…\n"))
		Expect(l.good("groups", "show", "search")).To(Equal(`group:        search
state:        Empty
protocol:     classic
coordinator:  broker 0
members:      0

TOPIC           PARTITION  COMMITTED  END  LAG  MEMBER
orders.created  0          0          1    1    -
orders.created  1          -          0    0    -
orders.created  2          -          1    1    -
orders.priced   0          0          0    0    -
`))
		var groups []map[string]any
		Expect(json.Unmarshal([]byte(l.good("groups", "-o", "json")), &groups)).To(Succeed())
		Expect(groups[0]).To(Equal(map[string]any{
			"group": "mail", "state": "Empty", "protocol": "classic", "members": 0.0, "lag": 1.0, "topics": []any{"orders.created"},
		}))
		var group map[string]any
		Expect(yaml.Unmarshal([]byte(l.good("groups", "show", "mail", "-o", "yaml")), &group)).To(Succeed())
		Expect(group).To(And(HaveKeyWithValue("members", BeEmpty()), HaveKeyWithValue("partitions", HaveLen(3))))
	}, NodeTimeout(patience))

	It("have members with what they are assigned", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 3, "u": 1})
		cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t", "u"), kgo.ClientID("app\x1b[31m"),
			kgo.InstanceID("app-0"), kgo.Balancers(kgo.RangeBalancer()), kgo.DisableAutoCommit())
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(cl.Close)
		l := c.console()
		Eventually(func() string {
			cl.PollFetches(nil) //nolint:staticcheck // what is there, without waiting
			return l.run("groups", "show", "g").stdout
		}).Should(MatchRegexp(`(?s)state: +Stable
protocol: +classic, range
.*
MEMBER  CLIENT +HOST +ASSIGNED
1       "app\\x1b\[31m" \(instance app-0\)  127.0.0.1:\d+  +t 0-2
 +u 0

TOPIC  PARTITION  COMMITTED  END  LAG  MEMBER
t      0          -          0    0    1
`))
		a := l.run("reset", "g", "--to", "earliest", "--topic", "t", "--yes")
		Expect(a.code).To(Equal(1))
		Expect(a.stderr).To(MatchRegexp(`^error: group "g" is active \(Stable\).*stop its members first: .* on 127\.0\.0\.1.* \(instance app-0\)\n$`))
		Expect(a.stderr).NotTo(ContainSubstring("\x1b"))
	}, NodeTimeout(patience))

	It("that there are not are told, with those that may be meant", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 1})
		l := c.console()
		Expect(l.run("groups", "show", "pricing").stderr).To(Equal("error: group \"pricing\": the group does not exist: the cluster has no groups\n"))
		for group := range strings.SplitSeq("a b c d e pricing", " ") {
			c.commit(ctx, group, "t", 0, 0)
		}
		Expect(l.run("groups", "show", "pricng").stderr).To(Equal("error: group \"pricng\": the group does not exist: did you mean pricing?\n"))
		Expect(l.run("groups", "show", "something else").stderr).To(HaveSuffix("the cluster has a, b, c, d, e, …\n"))
	}, NodeTimeout(patience))
})
