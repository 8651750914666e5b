package config_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/config"
)

var _ = Describe("F86 wrong configuration", func() {
	It("F86 reports all mistakes of all sources at once, each with place, path and remedy", func() {
		cfg, err := config.LoadDocument([]byte(`# a comment
kafka:
  brokers: [localhost:9092, "kafka://b:9092"]
  tls: {cert_file: c.pem}
group:
  sesion_timeout: 10s
  heartbeat_interval: 10m
  drain: 2m
shutdown:
  drain: 30
  grace: -1s
topics:
  orders.created: {concurency: 4}
`), []string{"KARAFGO_SHUTDOWN_DRAIN=45s", "KARAFGO_LOG__LEVEL=inof"}, map[string]string{"commit.interval": "often"})

		Expect(strings.Split(err.Error(), "\n")).To(Equal([]string{
			"karafgo.yaml:6: group.sesion_timeout: unknown key; did you mean group.session_timeout?",
			`karafgo.yaml:10: shutdown.drain: "30" is not a duration: a unit is missing, write 30s for seconds`,
			"karafgo.yaml:13: topics.orders.created.concurency: unknown key; did you mean topics.orders.created.concurrency?",
			"env KARAFGO_SHUTDOWN_DRAIN: shutdown_drain: unknown key; did you mean KARAFGO_SHUTDOWN__DRAIN?",
			`flag: commit.interval: "often" is not a duration: write a number with a unit, such as 500ms, 30s or 1h30m`,
			`karafgo.yaml:3: kafka.brokers: "kafka://b:9092" is not an address: write b:9092 without kafka://`,
			"karafgo.yaml:4: kafka.tls.cert_file: cert_file is given, but connections are not encrypted: " +
				"set kafka.tls.enabled to true or remove the key",
			"karafgo.yaml:4: kafka.tls.cert_file: needs kafka.tls.key_file, the private key of the certificate",
			// heartbeat_interval has to agree with the session timeout that was misspelled: not judged.
			"karafgo.yaml:8: group.drain: drain 2m is not less than rebalance_timeout 1m, " +
				"so that a slow handler puts the member out of its group: lower the first or raise the second",
			"karafgo.yaml:11: shutdown.grace: -1s is too small: write 0s or more",
			`env KARAFGO_LOG__LEVEL: log.level: "inof" is unknown; did you mean info? Known are debug, info, warn, error`,
		}))
		Expect(cfg).To(BeZero())
	})

	DescribeTable("F86 an unknown key names the nearest known one",
		func(yaml, meant string) {
			Expect(mistakes(yaml)).To(ConsistOf(ContainSubstring("unknown key; " + meant)))
		},
		Entry("a typo", "fetch: {max_wiat: 1s}", "did you mean fetch.max_wait?"),
		Entry("capitals", "Kafka: {client_id: a}", "did you mean kafka?"),
		Entry("a typo in a section", "shutdwon: {drain: 1s}", "did you mean shutdown?"),
		Entry("the wrong section", "rebalance_timeout: 1m", "did you mean group.rebalance_timeout?"),
		Entry("a word too many", "shutdown: {drain_timeout: 1s}", "did you mean shutdown.drain?"),
		Entry("a word too few", "kafka: {tls: {enabled: true, ca: x}}", "did you mean kafka.tls.ca_file?"),
		Entry("dots instead of levels", "shutdown.drain: 1s", "did you mean shutdown.drain?"),
		Entry("below the name of a group", "groups: {a.b: {fetch: {max_waits: 1s}}}", "did you mean groups.a.b.fetch.max_wait?"),
		Entry("a section of a group that it cannot override", "groups: {a: {kafka: {}}}", "did you mean kafka?"),
		Entry("the section of a name", "topic: {a: {concurrency: 1}}", "did you mean topics?"),
		Entry("nothing near", "log: {destination: x}", "the keys here are level, format"),
		Entry("nothing near below a name", "topics: {t: {xyz: 1}}", "the keys here are concurrency, batch_size, batch_wait"),
	)

	DescribeTable("F86 a value of the wrong type is refused",
		func(yaml, want string) {
			Expect(mistakes(yaml)).To(Equal([]string{"karafgo.yaml:1: " + want}))
		},
		Entry("duration", "shutdown: {drain: soon}",
			`shutdown.drain: "soon" is not a duration: write a number with a unit, such as 500ms, 30s or 1h30m`),
		Entry("boolean as duration", "shutdown: {drain: true}",
			`shutdown.drain: "true" is not a duration: write a number with a unit, such as 500ms, 30s or 1h30m`),
		Entry("number", "concurrency: {limit: many}", `concurrency.limit: "many" is not a whole number`),
		Entry("fraction", "concurrency: {limit: 1.5}", `concurrency.limit: "1.5" is not a whole number`),
		Entry("quoted number", `concurrency: {limit: "4"}`, `concurrency.limit: "4" is not a whole number`),
		Entry("boolean", "kafka: {tls: {enabled: yes}}", `kafka.tls.enabled: "yes" is not true or false`),
		Entry("text", "kafka: {client_id: 5}", `kafka.client_id: 5 is not text: quote it, as "5"`),
		Entry("size", "fetch: {min_bytes: 5M}",
			`fetch.min_bytes: "5M" is not a size in bytes: write a whole number such as 1048576, or with a unit, such as 64MiB or 1MB`),
		Entry("scalar for a list", "kafka: {brokers: a:1}", `kafka.brokers: "a:1" is not a list: write [a:1]`),
		Entry("number in a list", "kafka: {brokers: [1]}", `kafka.brokers: element 1: 1 is not text: quote it, as "1"`),
		Entry("nothing in a list", "kafka: {brokers: [a, ~]}", `kafka.brokers: element 2: has no value: write one, or "" for none`),
		Entry("list in a list", "kafka: {brokers: [[a]]}", `kafka.brokers: holds an element that is not text`),
		Entry("list for a scalar", "log: {level: [info]}", `log.level: is a list: write text`),
		Entry("section for a scalar", "log: {level: {a: b}}", `log.level: is a section: write text`),
		Entry("scalar for a section", "log: info", `log: is not a section: write keys with values below it: level, format`),
		Entry("scalar for names", "topics: orders", `topics: is not a section: write keys with values below it`),
		Entry("no value", "log: {level: }", `log.level: has no value: write text or remove the key`),
		Entry("unprintable", `kafka: {client_id: "a\u0007"}`, `kafka.client_id: "a\a" holds a character that cannot be printed`),
	)

	DescribeTable("F86 a file that is no configuration is refused",
		func(yaml, want string) {
			Expect(mistakes(yaml)).To(ContainElement(want))
		},
		Entry("not YAML", "log:\n  level: info\n format: x", "karafgo.yaml:2: is not YAML: did not find expected key"),
		Entry("a list", "- a", "karafgo.yaml:1: is not a section: write keys with values below it: "+
			"kafka, group, fetch, commit, producer, concurrency, shutdown, routes, http, log, topics, groups"),
		Entry("twice the same key", "log: {level: info}\nhttp: {}\nlog: {}", "karafgo.yaml:3: log: is given twice, first in line 1: remove one of them"),
		Entry("two documents", "log: {level: info}\n---\nhttp: {}",
			"karafgo.yaml:2: is a second document: put all keys into one and remove the line ---"),
		Entry("merge keys", "log: &l {level: info}\nhttp: {<<: *l}", "karafgo.yaml:2: http: merge keys (<<) are not supported: write the keys out"),
		Entry("a key that is a list", "log: {[a]: b}", "karafgo.yaml:1: log: has a key that is not text"),
		Entry("an empty name", `topics: {"": {concurrency: 1}}`, `karafgo.yaml:1: topics: "" is not a name`),
	)

	DescribeTable("F86 a wrong variable or flag is refused",
		func(variable, flag, want string) {
			flags := map[string]string{}
			if path, value, ok := strings.Cut(flag, "="); ok {
				flags[path] = value
			}

			_, err := config.LoadDocument(nil, []string{variable}, flags)
			Expect(err).To(MatchError(want))
		},
		Entry("unknown", "KARAFGO_COLOUR=blue", "",
			"env KARAFGO_COLOUR: colour: unknown key; the keys here are "+
				"kafka, group, fetch, commit, producer, concurrency, shutdown, routes, http, log, topics, groups"),
		Entry("mixed case", "KARAFGO_Log__LEVEL=info", "", "env KARAFGO_Log__LEVEL: Log.level: unknown key; did you mean KARAFGO_LOG__LEVEL?"),
		Entry("section", "KARAFGO_LOG=info", "", "env KARAFGO_LOG: log: is a section: set one of its keys, level, format"),
		Entry("names", "KARAFGO_TOPICS=a", "", "env KARAFGO_TOPICS: topics: is a section: set a key of one of its names"),
		Entry("no name", "KARAFGO_TOPICS____CONCURRENCY=1", "",
			`env KARAFGO_TOPICS____CONCURRENCY: topics..concurrency: "" is no name of a topic or group`),
		Entry("boolean", "KARAFGO_KAFKA__TLS__ENABLED=1", "", `env KARAFGO_KAFKA__TLS__ENABLED: kafka.tls.enabled: "1" is not true or false`),
		Entry("empty list", "KARAFGO_KAFKA__BROKERS=", "",
			"env KARAFGO_KAFKA__BROKERS: kafka.brokers: is empty: write at least one address, such as localhost:9092"),
		Entry("two spellings", "KARAFGO_TOPICS__ORDERS__CONCURRENCY=0", "",
			"env KARAFGO_TOPICS__ORDERS__CONCURRENCY: topics.orders.concurrency: 0 is too small: write 1 or more"),
		Entry("flag", "", "log.levle=info", "flag: log.levle: unknown key; did you mean log.level?"),
		Entry("name in a flag", "", "topics.orders.created.concurrency=x", `flag: topics.orders.created.concurrency: "x" is not a whole number`),
	)

	It("F86 judges a value that overrides a refused one", func() {
		_, err := config.LoadDocument([]byte("shutdown: {drain: soon}"), []string{"KARAFGO_SHUTDOWN__DRAIN=-1s"}, nil)
		Expect(lines(err)).To(Equal([]string{
			`karafgo.yaml:1: shutdown.drain: "soon" is not a duration: write a number with a unit, such as 500ms, 30s or 1h30m`,
			"env KARAFGO_SHUTDOWN__DRAIN: shutdown.drain: -1s is too small: write 0s or more",
		}))
	})

	It("F86 refuses one key under two names", func() {
		_, err := config.LoadDocument(nil, []string{"KARAFGO_TOPICS__ORDERS__CONCURRENCY=1", "KARAFGO_TOPICS__orders__CONCURRENCY=2"}, nil)
		Expect(err).To(MatchError("env KARAFGO_TOPICS__orders__CONCURRENCY: topics.orders.concurrency: " +
			"is already set by env KARAFGO_TOPICS__ORDERS__CONCURRENCY: remove one of them"))
	})
})
