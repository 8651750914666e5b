package framework_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

var _ = Describe("Rights", func() {
	const user, pass = "ada", "enchantress"

	// program writes what it reads from topic "t" in group "g" to topic "out".
	program := func(once bool) fx.Option {
		return framework.Routes(func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				if once {
					g.ExactlyOnce()
				}
				g.Topic("t").Each(responder.Map(responder.JSONTopic[int]("out"), func(_ context.Context, n int) (int, error) { return n, nil }))
			})
		})
	}
	allow := func(kind kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
	}
	bootOf := func(ctx context.Context, program fx.Option, acls ...kfake.ACL) error {
		GinkgoHelper()
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t", "out"), kfake.EnableSASL(), kfake.EnableACLs(),
			kfake.Superuser("PLAIN", "root", pass), kfake.User("PLAIN", user, pass, acls...))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(fake.Close)
		cfg := quick(fake.ListenAddrs())
		cfg.Kafka.SASL.Mechanism, cfg.Kafka.SASL.Username, cfg.Kafka.SASL.Password = "plain", user, pass
		before := framework.Check(ctx, cfg, program)
		err = runs(ctx, cfg, program)
		if err == nil {
			Expect(before).NotTo(HaveOccurred())
		} else {
			Expect(before).To(MatchError(err.Error()), "a check before says the same")
		}
		return err
	}
	boot := func(ctx context.Context, acls ...kfake.ACL) error { return bootOf(ctx, program(false), acls...) }
	all := []kfake.ACL{
		allow(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLOperationRead),
		allow(kmsg.ACLResourceTypeTopic, "out", kmsg.ACLOperationWrite),
		allow(kmsg.ACLResourceTypeGroup, "g", kmsg.ACLOperationRead),
	}

	It("F91 that are missing are all named at boot, with who, what and the remedy", func(ctx SpecContext) {
		err := boot(ctx)
		Expect(framework.ExitCode(err)).To(Equal(framework.ExitStart))
		lines := strings.Split(err.Error(), "\n")
		Expect(lines[1:]).To(Equal([]string{
			`  User:ada is not allowed to read group "g": add an ACL for the operation READ on this group`,
			`  User:ada is not allowed to read topic "t": add an ACL for the operation READ on this topic`,
			`  User:ada is not allowed to write topic "out": add an ACL for the operation WRITE on this topic`,
		}))
	}, NodeTimeout(patience))

	It("F91 that are enough let it run", func(ctx SpecContext) {
		Expect(boot(ctx, all...)).To(Succeed())
	}, NodeTimeout(patience))

	It("F91 of transactions are asked for where a group is drawn with them", func(ctx SpecContext) {
		err := bootOf(ctx, program(true), all...)
		Expect(err).To(MatchError(HaveSuffix("not authorised:\n" +
			`  User:ada is not allowed to write transactional id "g-*": add an ACL for the operation WRITE on transactional ids with the prefix "g-"`)))
		prefix := allow(kmsg.ACLResourceTypeTransactionalId, "g-", kmsg.ACLOperationWrite)
		prefix.Pattern = kmsg.ACLResourcePatternTypePrefixed
		Expect(bootOf(ctx, program(true), append(all, prefix)...)).To(Succeed())
	}, NodeTimeout(patience))

	It("F91 to describe a topic are not those to read it", func(ctx SpecContext) {
		err := boot(ctx, all[1], all[2], allow(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLOperationDescribe))
		Expect(err).To(MatchError(And(ContainSubstring(`read topic "t"`), Not(ContainSubstring("group")), Not(ContainSubstring("out")))))
	}, NodeTimeout(patience))
})
