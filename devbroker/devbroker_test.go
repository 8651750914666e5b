package devbroker_test

import (
	"context"
	"net"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/devbroker"
)

var _ = Describe("The embedded broker", func() {
	It("serves any client on loopback", func(ctx SpecContext) {
		b, err := devbroker.Start(devbroker.Topic("a", 2))
		Expect(err).NotTo(HaveOccurred())
		defer b.Close()
		cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.ConsumeTopics("a"), kgo.DefaultProduceTopic("a"))
		Expect(err).NotTo(HaveOccurred())
		defer cl.Close()
		Expect(cl.ProduceSync(ctx, kgo.StringRecord("hello")).FirstErr()).To(Succeed())
		Expect(string(cl.PollFetches(ctx).Records()[0].Value)).To(Equal("hello"))
	})

	It("listens on a given port, and names a port that is in use", func() {
		var lc net.ListenConfig
		l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		defer l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		_, err = devbroker.Start(devbroker.Port(port))
		Expect(err).To(MatchError(ContainSubstring(strconv.Itoa(port))))
	})

	It("reports every wrong option", func() {
		_, err := devbroker.Start(devbroker.Topic("", 0), devbroker.Brokers(0), devbroker.Port(-1))
		Expect(err).To(MatchError(And(ContainSubstring("0 partitions"), ContainSubstring("0 brokers"), ContainSubstring("port -1"))))
	})
})
