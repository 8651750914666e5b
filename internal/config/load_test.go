package config_test

import (
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/config"
)

var _ = Describe("Load", func() {
	// write puts a file into a folder of its own and returns its path.
	write := func(name, content string) string {
		path := filepath.Join(GinkgoT().TempDir(), name)
		Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())

		return path
	}

	It("returns the defaults when there is nothing to read", func() {
		GinkgoT().Chdir(GinkgoT().TempDir())

		cfg, err := config.Load(config.Source{})
		Expect(err).NotTo(HaveOccurred())
		Expect(cfg.Bare()).To(Equal(config.Default()))
		Expect(config.Default().Validate()).To(Succeed())
	})

	It("reads karafgo.yaml in the working directory when it is there", func() {
		GinkgoT().Chdir(filepath.Dir(write("karafgo.yaml", "shutdown: {drain: 45s}")))

		cfg, err := config.Load(config.Source{})
		Expect(err).NotTo(HaveOccurred())
		Expect(cfg.Shutdown.Drain).To(Equal(45 * time.Second))
	})

	It("reads the file that KARAFGO_CONFIG names, and rather the one that is named outright", func() {
		environ := []string{"KARAFGO_CONFIG=" + write("env.yaml", "log: {level: warn}")}

		cfg, err := config.Load(config.Source{Environ: environ})
		Expect(err).NotTo(HaveOccurred())
		Expect(cfg.Log.Level).To(Equal(config.LevelWarn))

		cfg, err = config.Load(config.Source{Environ: environ, File: write("flag.yaml", "log: {level: error}")})
		Expect(err).NotTo(HaveOccurred())
		Expect(cfg.Log.Level).To(Equal(config.LevelError))
	})

	It("refuses a named file that is not there, beside the other mistakes", func() {
		_, err := config.Load(config.Source{
			File:    "absent.yaml",
			Environ: []string{"KARAFGO_LOG__LEVEL=loud", "KARAFGO_GROUP__HEARTBEAT_INTERVAL=20s"},
		})
		Expect(lines(err)).To(Equal([]string{
			"absent.yaml: cannot read the configuration: no such file or directory",
			// The heartbeat is not judged by a session timeout that the file may set.
			`env KARAFGO_LOG__LEVEL: log.level: "loud" is unknown: write one of debug, info, warn, error`,
		}))

		_, err = config.Load(config.Source{Environ: []string{"KARAFGO_CONFIG=absent.yaml"}})
		Expect(err).To(MatchError("absent.yaml: cannot read the configuration: no such file or directory; KARAFGO_CONFIG names it"))
	})

	It("lets the environment override the file, and flags override both", func() {
		cfg, err := config.Load(config.Source{
			File: write("c.yaml", "shutdown: {drain: 1s, grace: 2s}\nproducer: {linger: 3ms}\nkafka: {client_id: file}"),
			Environ: []string{
				"KARAFGO_SHUTDOWN__GRACE=20s", "KARAFGO_PRODUCER__LINGER=30ms", "KARAFGO_TEST_SPEED=9",
				"HOME=/", "KARAFGO_PRODUCER__LINGER=31ms",
			},
			Flags: map[string]string{"producer.linger": "300ms"},
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(cfg.Shutdown).To(Equal(config.Shutdown{Drain: time.Second, Grace: 20 * time.Second}))
		Expect(cfg.Producer.Linger).To(Equal(300 * time.Millisecond))
		Expect(cfg.Kafka.ClientID).To(Equal("file"))
	})

	It("reads every type from YAML", func() {
		cfg, err := document(`
kafka:
  brokers: [a:1, "b:2", host]
  tls: {enabled: true, ca_file: ca.pem}
group: {drain: 0, instance_id: "7"}
fetch: {min_bytes: 64KiB, max_partition_bytes: 2097152, max_buffered_bytes: 1GB}
commit: # every key commented out
http: {listen: ""}
topics:
  orders.created: {concurrency: 8, batch_wait: 0s}
  orders.mail:
`)
		Expect(err).NotTo(HaveOccurred())
		Expect(cfg.Kafka.Brokers).To(Equal([]string{"a:1", "b:2", "host"}))
		Expect(cfg.Kafka.TLS).To(Equal(config.TLS{Enabled: true, CAFile: "ca.pem", MinVersion: config.TLS12}))
		Expect(cfg.Group.Drain).To(BeZero())
		Expect(cfg.Group.InstanceID).To(Equal("7"))
		Expect(cfg.Fetch.MinBytes).To(Equal(64 * config.KiB))
		Expect(cfg.Fetch.MaxPartitionBytes).To(Equal(2 * config.MiB))
		Expect(cfg.Fetch.MaxBufferedBytes).To(Equal(config.Bytes(1e9)))
		Expect(cfg.HTTP.Listen).To(BeEmpty())
		Expect(cfg.Topics).To(Equal(map[string]config.Topic{
			"orders.created": {Concurrency: new(8), BatchWait: new(time.Duration(0))},
			"orders.mail":    {},
		}))
	})

	It("reads every type from the environment, and names where the platform allows them", func() {
		cfg, err := config.LoadDocument(nil, []string{
			"KARAFGO_KAFKA__BROKERS=a:1, b:2",
			"KARAFGO_KAFKA__TLS__ENABLED=true",
			"KARAFGO_FETCH__MAX_BUFFERED_BYTES=512MiB",
			"KARAFGO_CONCURRENCY__LIMIT=64",
			"KARAFGO_HTTP__LISTEN=",
			"KARAFGO_TOPICS__ORDERS__CONCURRENCY=4",
			"KARAFGO_TOPICS__orders.Created__BATCH_SIZE=50",
			"KARAFGO_GROUPS__PRICING__COMMIT__INTERVAL=1s",
		}, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(cfg.Kafka.Brokers).To(Equal([]string{"a:1", "b:2"}))
		Expect(cfg.Kafka.TLS.Enabled).To(BeTrue())
		Expect(cfg.Fetch.MaxBufferedBytes).To(Equal(512 * config.MiB))
		Expect(cfg.Concurrency.Limit).To(Equal(64))
		Expect(cfg.HTTP.Listen).To(BeEmpty())
		Expect(cfg.Topics).To(Equal(map[string]config.Topic{
			"orders":         {Concurrency: new(4)},
			"orders.Created": {BatchSize: new(50)},
		}))
		Expect(cfg.ForGroup("pricing").Commit.Interval).To(Equal(time.Second))
	})

	It("keeps names with dots together in flags", func() {
		cfg, err := config.LoadDocument(nil, nil, map[string]string{
			"topics.orders.created.v1.concurrency": "3",
			"groups.pricing.eu.fetch.max_wait":     "1s",
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(cfg.Topics).To(HaveKeyWithValue("orders.created.v1", config.Topic{Concurrency: new(3)}))
		Expect(cfg.ForGroup("pricing.eu").Fetch.MaxWait).To(Equal(time.Second))
	})

	It("replaces a list, whatever its length", func() {
		cfg, err := config.LoadDocument([]byte("kafka: {brokers: [a:1, b:2, c:3]}"), []string{"KARAFGO_KAFKA__BROKERS=z:9"}, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(cfg.Kafka.Brokers).To(Equal([]string{"z:9"}))
	})

	It("follows an alias to its value", func() {
		cfg, err := document("group: {session_timeout: &t 30s, heartbeat_interval: 2s}\nshutdown: {drain: *t}")
		Expect(err).NotTo(HaveOccurred())
		Expect(cfg.Shutdown.Drain).To(Equal(30 * time.Second))
	})

	It("writes what it loads", func() {
		cfg, err := document(`
kafka: {brokers: [a:1], client_id: "true"}
group: {rebalance_timeout: 90s}
topics: {orders.created: {batch_wait: 1500ms}, orders.mail: }
groups: {pricing: {fetch: {max_buffered_bytes: 10000001}}}
`)
		Expect(err).NotTo(HaveOccurred())

		text, err := cfg.YAML()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(ContainSubstring("max_buffered_bytes: 256MiB"))

		again, err := config.LoadDocument(text, nil, nil)
		Expect(err).NotTo(HaveOccurred(), string(text))
		Expect(again.Bare()).To(Equal(cfg.Bare()))
	})
})
