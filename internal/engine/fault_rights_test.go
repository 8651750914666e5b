package engine_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/router"
)

// secured is a cluster with access control: user "ada" may read topics a and b in group g.
func secured(t *testing.T) (c *cluster, asAda option, admin *kadm.Client) {
	t.Helper()
	g := NewWithT(t)
	allow := func(kind kmsg.ACLResourceType, name string) kfake.ACL {
		return kfake.ACL{
			Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead, Allow: true,
		}
	}
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "a", "b"), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "root", "root"), kfake.User("PLAIN", "ada", "ada", allow(kmsg.ACLResourceTypeTopic, "a"),
			allow(kmsg.ACLResourceTypeTopic, "b"), allow(kmsg.ACLResourceTypeGroup, "g")))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(fake.Close)
	login := []kgo.Opt{kgo.SASL(plain.Auth{User: "root", Pass: "root"}.AsMechanism())}
	cl, err := kgo.NewClient(append(login, kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cl.Close)
	admin = kadm.NewClient(cl)
	return &cluster{addrs: fake.ListenAddrs(), embedded: fake, t: t, g: g, admin: admin, cl: cl, login: login}, withConfig(func(cfg *config.Config) {
		cfg.Kafka.SASL = config.SASL{Mechanism: config.Plain, Username: "ada", Password: "ada"}
	}), admin
}

func eachOf(topics []string, h consumer.Handler) router.Drawer {
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			for _, topic := range topics {
				g.Topic(topic).Each(h)
			}
		})
	}
}

func TestF45_RightToATopicIsTakenAndGivenBack(t *testing.T) {
	t.Parallel()
	c, asAda, admin := secured(t)
	g := NewWithT(t)
	j := newJournal()
	p := c.run(t, eachOf([]string{"a", "b"}, j.handler("m")), asAda)
	c.produce("a", 0, 10)
	c.produce("b", 0, 10)
	j.awaitRecords(t, 20)

	deny := kadm.NewACLs().Topics("a").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpRead).Deny("User:ada").DenyHosts("*")
	_, err := admin.CreateACLs(t.Context(), deny)
	g.Expect(err).NotTo(HaveOccurred())
	c.produce("a", 0, 10)
	await(t, p.events, 1, func(e callbacks.FetchFailed) bool { return e.Topic == "a" })
	c.produce("b", 0, 10)
	j.await(t, "the other topic", func(j *journal) bool { return len(j.offsets("b", 0)) == 20 })
	g.Expect(j.offsets("a", 0)).To(HaveLen(10))

	_, err = admin.DeleteACLs(t.Context(), deny)
	g.Expect(err).NotTo(HaveOccurred())
	j.await(t, "the topic again", func(j *journal) bool { return len(j.offsets("a", 0)) == 20 })
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(20)))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(20))
}

func TestF45_RightToTheGroupIsTakenAndGivenBack(t *testing.T) {
	t.Parallel()
	c, asAda, admin := secured(t)
	g := NewWithT(t)
	j := newJournal()
	p := c.run(t, eachOf([]string{"a"}, j.handler("m")), asAda)
	c.produce("a", 0, 10)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 10 })

	deny := kadm.NewACLs().Groups("g").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpRead).Deny("User:ada").DenyHosts("*")
	_, err := admin.CreateACLs(t.Context(), deny)
	g.Expect(err).NotTo(HaveOccurred())
	c.produce("a", 0, 10)
	g.Eventually(func() int {
		return len(of[callbacks.CommitFailed](p.events)) + len(of[callbacks.FetchFailed](p.events))
	}, patience).Should(BeNumerically(">", 0), "it is told")

	_, err = admin.DeleteACLs(t.Context(), deny)
	g.Expect(err).NotTo(HaveOccurred())
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 20 })
	p.stop()
	g.Expect(j.unique()).To(Equal(20))
}
