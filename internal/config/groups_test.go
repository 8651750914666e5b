package config_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/config"
)

var _ = Describe("ForGroup", func() {
	It("gives the common sections to a group without overrides", func() {
		cfg := config.Default()
		Expect(cfg.ForGroup("any")).To(Equal(config.GroupConfig{Group: cfg.Group, Fetch: cfg.Fetch, Commit: cfg.Commit}))
	})

	It("overrides only the keys given", func() {
		cfg, err := config.LoadDocument([]byte(`
group: {session_timeout: 30s, balancers: [sticky, range]}
commit: {threshold: 100}
groups:
  pricing.eu:
    group: {balancers: [range]}
    commit: {interval: 1s}
  search:
`), nil, map[string]string{"commit.interval": "2s"})
		Expect(err).NotTo(HaveOccurred())

		pricing := cfg.ForGroup("pricing.eu")
		Expect(pricing.Group.Balancers).To(Equal([]string{config.Range}))
		Expect(pricing.Group.SessionTimeout).To(Equal(30 * time.Second))
		Expect(pricing.Commit).To(Equal(config.Commit{Interval: time.Second, Threshold: 100, TransactionInterval: 100 * time.Millisecond}))
		Expect(pricing.Fetch).To(Equal(config.Default().Fetch))
		Expect(cfg.ForGroup("search")).To(Equal(cfg.ForGroup("other")))
		Expect(cfg.Group.Balancers).To(Equal([]string{config.Sticky, config.Range}))
	})

	It("hands out a copy", func() {
		cfg := config.Default()
		cfg.ForGroup("a").Group.Balancers[0] = "changed"
		Expect(cfg.Group.Balancers).To(Equal([]string{config.CooperativeSticky}))
	})

	DescribeTable("lets drain follow the rebalance timeout until somebody chooses it",
		func(yaml string, common, own time.Duration) {
			cfg, err := document(yaml)
			Expect(err).NotTo(HaveOccurred())
			Expect(cfg.Group.Drain).To(Equal(common))
			Expect(cfg.ForGroup("g").Group.Drain).To(Equal(own))
		},
		Entry("nobody", "groups: {g: }", 30*time.Second, 30*time.Second),
		Entry("common timeout", "group: {rebalance_timeout: 2m}\ngroups: {g: }", time.Minute, time.Minute),
		Entry("own timeout", "groups: {g: {group: {rebalance_timeout: 4m}}}", 30*time.Second, 2*time.Minute),
		Entry("common drain", "group: {drain: 7s}\ngroups: {g: {group: {rebalance_timeout: 4m}}}", 7*time.Second, 7*time.Second),
		Entry("own drain", "groups: {g: {group: {drain: 0s}}}", 30*time.Second, time.Duration(0)),
	)
})

var _ = Describe("CheckRoutes", func() {
	drawn := func(yaml string, flags map[string]string) error {
		cfg, err := config.LoadDocument([]byte(yaml), nil, flags)
		Expect(err).NotTo(HaveOccurred())

		return cfg.CheckRoutes([]string{"orders.created", "orders.priced"}, []string{"pricing"})
	}

	It("accepts overrides of what is drawn", func() {
		Expect(drawn("topics: {orders.created: {concurrency: 2}}\ngroups: {pricing: }", nil)).To(Succeed())
	})

	It("reports every override of what is not drawn, with the nearest name", func() {
		err := drawn("topics:\n  order.created: {concurrency: 2}\n  mail:\ngroups: {prizing: }",
			map[string]string{"topics.orders.prices.concurrency": "3"})
		Expect(lines(err)).To(Equal([]string{
			"karafgo.yaml:3: topics.mail: no route draws this topic; drawn are orders.created, orders.priced",
			"karafgo.yaml:2: topics.order.created: no route draws this topic; did you mean orders.created?",
			"flag: topics.orders.prices: no route draws this topic; did you mean orders.priced?",
			"karafgo.yaml:4: groups.prizing: no route draws this group; did you mean pricing?",
		}))
	})

	It("says so when nothing is drawn", func() {
		cfg := config.Default()
		cfg.Topics = map[string]config.Topic{"a": {}}
		Expect(cfg.CheckRoutes(nil, nil)).To(MatchError("topics.a: no route draws this topic"))
	})
})

var _ = DescribeTable("The section group", func(yaml, want string) {
	_, err := document("group: {" + yaml + "}")
	if want == "" {
		Expect(err).NotTo(HaveOccurred())
		return
	}
	Expect(err).To(MatchError(ContainSubstring(want)))
},
	Entry("the protocol of KIP-848", "protocol: consumer", ""),
	Entry("with range", "protocol: consumer, balancers: [range]", ""),
	Entry("another protocol", "protocol: consumers", `"consumers" is unknown; did you mean consumer?`),
	Entry("with a session timeout", "protocol: consumer, session_timeout: 30s",
		"group.session_timeout: is set on the broker with the protocol consumer (KIP-848): remove it"),
	Entry("with heartbeats", "protocol: consumer, heartbeat_interval: 1s",
		"group.heartbeat_interval: is set on the broker with the protocol consumer (KIP-848): remove it"),
	Entry("with a short rebalance timeout", "protocol: consumer, rebalance_timeout: 30s", ""),
	Entry("with a session timeout that is the default", "protocol: consumer, session_timeout: 45s", "group.session_timeout: is set on the broker"),
	Entry("with round-robin", "protocol: consumer, balancers: [round-robin]", "the protocol consumer has one strategy"),
	Entry("with two strategies", "protocol: consumer, balancers: [range, sticky]", "the protocol consumer has one strategy"),
	Entry("a drain that leaves too little", "rebalance_timeout: 60s, drain: 55s", "leaves too little of rebalance_timeout 1m"),
	Entry("a drain that leaves enough", "rebalance_timeout: 60s, drain: 50s", ""),
)
