package framework_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

var _ = Describe("doctor", func() {
	It("says what is right and what is not, with the remedy", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 3)
		p := commandLine{c.addrs, framework.Routes(router.Drawer(letters))}
		a := p.run("doctor")
		Expect(a.code).To(Equal(framework.ExitStart))
		Expect(a.stderr).To(BeEmpty())
		Expect(a.stdout).To(Equal(strings.ReplaceAll(`ok    configuration: right
ok    routes: 2 routes in 1 group
ok    broker ADDR: answers
ok    security: nothing is encrypted, nobody authenticates
ok    version broker 0: a version of its own, at ADDR
warn  topic t: 1 partition, replication 1; add partitions: 1 to 2
      remedy: topics apply
fail  topic t.dlq: does not exist
      remedy: topics apply makes it, or set kafka.missing_topics to create
fail  topic t.g.retry.1s: does not exist
      remedy: topics apply makes it, or set kafka.missing_topics to create
ok    group g: may be joined; it is new

the program would not start: 6 ok, 1 warning, 2 failed
`, "ADDR", c.addrs[0])))
		Expect(p.run("doctor", "--set", "kafka.missing_topics=create").stdout).To(HaveSuffix("the program can start: 8 ok, 1 warning, 0 failed\n"))
		Expect(p.good("topics", "apply", "--yes")).NotTo(BeEmpty())
		Expect(p.good("doctor")).To(HaveSuffix("the program can start: 9 ok, 0 warnings, 0 failed\n"))
		groups, err := c.admin.ListGroups(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(groups).To(BeEmpty(), "nothing is joined")
	}, NodeTimeout(patience))

	It("prints for programs", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 0)
		p := commandLine{c.addrs, framework.Routes(each(&counter{}))}
		var findings []map[string]string
		Expect(json.Unmarshal([]byte(p.good("doctor", "-o", "json", "--brokers", closedPort(ctx))), &findings)).To(Succeed())
		Expect(findings).To(HaveEach(HaveKeyWithValue("result", Or(Equal("ok"), Equal("warn")))))
		Expect(findings).To(ContainElement(And(HaveKeyWithValue("check", "broker"), HaveKeyWithValue("result", "warn"),
			HaveKeyWithValue("remedy", "nothing answers; check kafka.brokers and whether they listen there"))))
		Expect(findings).To(ContainElement(Equal(map[string]string{"check": "group", "name": "g", "result": "ok", "text": "may be joined; it is new"})))
	}, NodeTimeout(patience))

	It("goes on as far as it can", func(ctx SpecContext) {
		down := commandLine{[]string{closedPort(ctx)}, framework.Routes(each(&counter{}))}
		a := down.run("doctor")
		Expect(a.code).To(Equal(framework.ExitStart))
		Expect(a.stdout).To(MatchRegexp(`(?s)^ok    configuration.*\nok    routes.*\nfail  broker 127.*\n      remedy: nothing answers; .*would not start: 2 ok, 0 warnings, 1 failed\n$`))
		wrong := down.run("doctor", "--set", "commit.interval=-3s", "--set", "kafka.broker=x")
		Expect(wrong.stdout).To(And(HavePrefix("fail  configuration: "), ContainSubstring("\n      flag: commit.interval: -3s is too small")))
		var stdout, stderr bytes.Buffer
		Expect(framework.Execute([]string{"doctor"}, &stdout, &stderr, nil)).To(Equal(framework.ExitStart))
		Expect(stdout.String()).To(ContainSubstring("fail  routes: "))
	}, NodeTimeout(patience))

	It("knows which rights are missing, those of transactions too", func(ctx SpecContext) {
		const user, pass = "ada", "enchantress"
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t", "out"), kfake.EnableSASL(), kfake.EnableACLs(),
			kfake.Superuser("PLAIN", "root", pass), kfake.User("PLAIN", user, pass, kfake.ACL{
				Resource: kmsg.ACLResourceTypeTopic, Name: "t", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead, Allow: true,
			}))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(fake.Close)
		p := commandLine{fake.ListenAddrs(), framework.Routes(func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.ExactlyOnce()
				g.Topic("t").Each(responder.Map(responder.JSONTopic[int]("out"), func(_ context.Context, n int) (int, error) { return n, nil }))
			})
		})}
		as := func(user string, more ...string) answered {
			return p.run(append([]string{
				"doctor", "--set", "kafka.sasl.mechanism=plain", "--set", "kafka.sasl.username=" + user, "--set", "kafka.sasl.password=" + pass,
			}, more...)...)
		}
		a := as(user)
		Expect(a.code).To(Equal(framework.ExitStart))
		Expect(a.stdout).To(ContainSubstring(`
fail  topic out: User:ada is not allowed to write it
      remedy: add an ACL for the operation WRITE on this topic
`))
		Expect(a.stdout).To(ContainSubstring(`
fail  group g: User:ada is not allowed to read it
      remedy: add an ACL for the operation READ on this group
fail  transactions g: User:ada is not allowed to write transactional id g-*
      remedy: add an ACL for the operation WRITE on transactional ids with the
      prefix "g-"
`))
		Expect(a.stdout).To(ContainSubstring("warn  security: PLAIN as ada, not encrypted: whoever listens learns the secret\n"))
		Expect(as("root", "--set", "producer.transactional_id=p-1").stdout).To(ContainSubstring("\nok    transactions g: may be written as p-1-g\n"))
		Expect(as("root").stdout).To(ContainSubstring("\nwarn  transactions g: have a random id"))
		refused := as("nobody")
		Expect(refused.stdout).To(MatchRegexp(`(?s)\nfail  broker .*remedy: the broker (refuses this process|closes the connection).*kafka\.sasl\.password`))
	}, NodeTimeout(patience))

	It("finds partitions that nobody leads, and brokers that give a wrong address", func(ctx SpecContext) {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(fake.Close)
		wrong := closedPort(ctx)
		fake.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
			fake.KeepControl()
			resp := kmsg.NewPtrMetadataResponse()
			resp.Version = req.GetVersion()
			for i, addr := range []string{fake.ListenAddrs()[0], wrong} {
				host, port, _ := strings.Cut(addr, ":")
				n, _ := strconv.ParseInt(port, 10, 32)
				b := kmsg.NewMetadataResponseBroker()
				b.NodeID, b.Host, b.Port = int32(i), host, int32(n)
				resp.Brokers = append(resp.Brokers, b)
			}
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic, topic.TopicID = new("t"), [16]byte{1}
			for i, leader := range []int32{0, -1} {
				partition := kmsg.NewMetadataResponseTopicPartition()
				partition.Partition, partition.Leader, partition.Replicas, partition.ISR = int32(i), leader, []int32{0}, []int32{0}
				topic.Partitions = append(topic.Partitions, partition)
			}
			resp.Topics = append(resp.Topics, topic)
			return resp, nil, true
		})
		p := commandLine{fake.ListenAddrs(), framework.Routes(each(&counter{}))}
		a := p.run("doctor", "--set", "kafka.dial_timeout=1s", "--set", "kafka.boot_timeout=3s")
		Expect(a.stdout).To(And(
			MatchRegexp(`(?s)\nfail  version broker 1: says that it is at 127\.0\.0\.1:\d+, and does not answer\s+there: .*remedy: give the broker an address in advertised\.listeners`),
			ContainSubstring("\nfail  topic t: 2 partitions, replication 1; nobody leads partition 1\n"),
			ContainSubstring("\nwarn  configuration kafka.brokers: has one broker of a cluster of several"),
		))
		Expect(a.code).To(Equal(framework.ExitStart))
	}, NodeTimeout(patience))
})
