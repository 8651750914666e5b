package config_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/config"
)

var _ = Describe("Validate", func() {
	DescribeTable("F86 conflicts and bad values are refused",
		func(yaml, want string) {
			Expect(mistakes(yaml)).To(Equal([]string{"karafgo.yaml:1: " + want}))
		},
		Entry("session and rebalance", "group: {session_timeout: 60s}",
			"group.session_timeout: session_timeout 1m is not less than rebalance_timeout 1m, "+
				"so that a dead member holds every rebalance up to its end: lower the first or raise the second"),
		Entry("a conflict with a default stands where the other key was set", "group: {session_timeout: 6s}",
			"group.session_timeout: heartbeat_interval 3s is more than a third of session_timeout 6s, "+
				"so that two lost heartbeats end the session: lower the first or raise the second"),
		Entry("drain", "group: {drain: 60s}",
			"group.drain: drain 1m is not less than rebalance_timeout 1m, "+
				"so that a slow handler puts the member out of its group: lower the first or raise the second"),
		Entry("partition and buffer", "fetch: {max_buffered_bytes: 1MiB}",
			"fetch.max_buffered_bytes: max_partition_bytes 512KiB is more than a quarter of max_buffered_bytes 1MiB, "+
				"so that one partition fills the memory of all: lower the first or raise the second"),
		Entry("minimum and buffer", "fetch: {min_bytes: 65MiB}",
			"fetch.min_bytes: min_bytes 65MiB is more than a quarter of max_buffered_bytes 256MiB, "+
				"so that every fetch waits for max_wait: lower the first or raise the second"),
		Entry("linger and delivery", "producer: {linger: 2s, delivery_timeout: 1s}",
			"producer.linger: linger 2s is not less than delivery_timeout 1s, "+
				"so that records expire before they are sent: lower the first or raise the second"),
		Entry("a bad value is not judged by another rule too", "group: {session_timeout: 0s}",
			"group.session_timeout: 0s is too small: write 100ms or more"),
		Entry("nor by what is derived from it", "group: {rebalance_timeout: -1s}",
			"group.rebalance_timeout: -1s is too small: write 100ms or more"),
		Entry("what the protocol cannot carry", "group: {rebalance_timeout: 1000h}",
			"group.rebalance_timeout: 1000h is too large: write 596h31m23.647s or less"),
		Entry("key without certificate", "kafka: {tls: {enabled: true, key_file: k}}",
			"kafka.tls.key_file: needs kafka.tls.cert_file, the certificate of the key"),
		Entry("no broker", "kafka: {brokers: []}", "kafka.brokers: is empty: write at least one address, such as localhost:9092"),
		Entry("no balancer", "group: {balancers: []}", "group.balancers: is empty: write at least one, such as cooperative-sticky"),
		Entry("unknown balancer", "group: {balancers: [cooperative_sticky]}",
			`group.balancers: "cooperative_sticky" is unknown; did you mean cooperative-sticky? `+
				`Known are cooperative-sticky, sticky, range, round-robin`),
		Entry("balancer twice", "group: {balancers: [range, range]}", `group.balancers: "range" is given twice: remove one`),
		Entry("instance id", "group: {instance_id: a b}",
			`group.instance_id: "a b" is not an instance id: write 1 to 249 letters, digits, dots, underscores and hyphens`),
		Entry("listen", "http: {listen: 8080x}",
			`http.listen: "8080x" is not an address: write host:port, :port for every interface, or "" for no listener`),
		Entry("name of a topic", "topics: {orders created: {}}",
			`topics.orders created: "orders created" is not the name of a topic: `+
				`write 1 to 249 letters, digits, dots, underscores and hyphens`),
		Entry("topic", "topics: {t: {concurrency: 0}}", "topics.t.concurrency: 0 is too small: write 1 or more"),
		Entry("group", "groups: {g: {fetch: {isolation: none}}}",
			`groups.g.fetch.isolation: "none" is unknown: write one of read_uncommitted, read_committed`),
		Entry("client id", "kafka: {client_id: "+strings.Repeat("x", 257)+"}", "kafka.client_id: is longer than 256 bytes"),
	)

	It("reports what a group inherits once, and what it makes wrong itself under its own path", func() {
		Expect(mistakes("commit: {threshold: -1}\ngroups:\n  a: {commit: {interval: 1s}}\n  b: {commit: {threshold: -2}}\n" +
			"  c: {group: {rebalance_timeout: 40s}}\n")).To(Equal([]string{
			"karafgo.yaml:1: commit.threshold: -1 is too small: write 0 or more",
			"karafgo.yaml:4: groups.b.commit.threshold: -2 is too small: write 0 or more",
			"karafgo.yaml:5: groups.c.group.rebalance_timeout: session_timeout 45s is not less than rebalance_timeout 40s, " +
				"so that a dead member holds every rebalance up to its end: lower the first or raise the second",
		}))
	})

	DescribeTable("addresses of brokers",
		func(address string, good bool) {
			cfg := config.Default()
			cfg.Kafka.Brokers = []string{address}

			if good {
				Expect(cfg.Validate()).To(Succeed())
			} else {
				Expect(cfg.Validate()).To(MatchError(ContainSubstring(fmt.Sprintf("kafka.brokers: %q is not an address: write ", address))))
			}
		},
		Entry(nil, "localhost:9092", true),
		Entry(nil, "broker-1.example.com", true),
		Entry(nil, "[::1]:9092", true),
		Entry(nil, "10.0.0.1:1", true),
		Entry(nil, "", false),
		Entry(nil, ":9092", false),
		Entry(nil, "a:", false),
		Entry(nil, "a:0", false),
		Entry(nil, "a:65536", false),
		Entry(nil, "a:b", false),
		Entry(nil, "::1", false),
		Entry(nil, "a:1,b:2", false),
		Entry(nil, "PLAINTEXT://a:9092", false),
	)

	It("checks a configuration made in code", func() {
		cfg := config.Default()
		cfg.Shutdown.Grace = -time.Second
		cfg.Log.Format = "xml"
		cfg.Topics = map[string]config.Topic{"..": {BatchSize: new(0)}}
		cfg.Groups = map[string]config.GroupConfig{"": cfg.ForGroup("")}
		Expect(lines(cfg.Validate())).To(Equal([]string{
			"shutdown.grace: -1s is too small: write 0s or more",
			`log.format: "xml" is unknown: write one of auto, json, console`,
			`topics...: ".." is not the name of a topic: write 1 to 249 letters, digits, dots, underscores and hyphens`,
			"topics....batch_size: 0 is too small: write 1 or more",
			`groups.: "" is not the id of a group: write one of printable characters`,
		}))
		Expect(config.Config{}.Validate()).NotTo(Succeed())
	})
})

var _ = Describe("Problems", func() {
	It("takes a wrapped error apart", func() {
		_, err := document("log: {level: x, format: [y]}")
		err = fmt.Errorf("start: %w", err)

		Expect(config.Problems(err)).To(Equal([]*config.Problem{
			{Place: "karafgo.yaml:1", Path: "log.format", What: "is a list: write text"},
			{Place: "karafgo.yaml:1", Path: "log.level", What: `"x" is unknown: write one of debug, info, warn, error`},
		}))
		Expect(config.Problems(nil)).To(BeEmpty())
	})
})
