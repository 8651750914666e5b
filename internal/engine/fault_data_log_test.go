package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/router"
)

// F58: one record is larger than all that the group may buffer. It is consumed (KIP-74), and so is what follows.
func TestF58_RecordLargerThanAllMemory(t *testing.T) {
	t.Parallel()
	const size, limit = 4 << 20, 1 << 20
	c := newCluster(t)
	g := NewWithT(t)
	most := "10000000"
	_, err := c.admin.CreateTopic(t.Context(), 2, 1, map[string]*string{"max.message.bytes": &most}, "a")
	g.Expect(err).NotTo(HaveOccurred())
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ProducerBatchMaxBytes(8<<20),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	g.Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	big := make([]byte, size)
	for p := range int32(2) {
		for _, value := range [][]byte{[]byte("before"), big, big, []byte("after")} {
			g.Expect(cl.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Partition: p, Value: value}).FirstErr()).To(Succeed())
		}
	}
	var bytes atomic.Int64
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		bytes.Add(int64(len(m.Value)))
		return nil
	})), withConfig(func(cfg *config.Config) { cfg.Fetch.MaxPartitionBytes, cfg.Fetch.MaxBufferedBytes = 64<<10, limit }))
	await(t, p.events, 2, func(e callbacks.Committed) bool { return e.Offset == 4 })
	p.stop()
	g.Expect(bytes.Load()).To(BeEquivalentTo(2 * (2*size + len("before") + len("after"))))
	now, _ := p.buffered("g")
	g.Expect(now).To(BeZero())
}

// F62: compaction leaves holes, also at the places that were handed over and committed before.
func TestF62_CompactionLeavesGaps(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]func(*router.Route){"automatic": func(*router.Route) {}, "manual": manually} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			fake := c.fake()
			g := NewWithT(t)
			set := func(s string) *string { return &s }
			_, err := c.admin.CreateTopic(t.Context(), 1, 1, map[string]*string{
				"cleanup.policy": set("compact"), "segment.bytes": set("2000"), "min.cleanable.dirty.ratio": set("0"),
			}, "a")
			g.Expect(err).NotTo(HaveOccurred())
			for i := range 300 {
				c.send(&kgo.Record{Topic: "a", Key: fmt.Append(nil, rand.IntN(20)), Value: fmt.Append(nil, i)})
			}
			fake.Compact()
			j := newJournal()
			p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				j.note("m", m)
				if name == "manual" {
					return m.Mark()
				}
				return nil
			}), more))
			await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 300 })
			p.stop()
			list := j.offsets("a", 0)
			g.Expect(len(list)).To(BeNumerically("<", 300), "there are gaps")
			for i := 1; i < len(list); i++ {
				g.Expect(list[i]).To(BeNumerically(">", list[i-1]))
			}
		})
	}
}

// F62: a transaction that is open holds the end that read_committed sees; what is behind it comes when it ends.
func TestF62_OpenTransactionHoldsTheEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 5)
	g := NewWithT(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("a"))
	g.Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	g.Expect(cl.BeginTransaction()).To(Succeed())
	g.Expect(cl.ProduceSync(t.Context(), kgo.StringRecord("later")).FirstErr()).To(Succeed())
	c.send(record("a", 0, "behind"))
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), withConfig(func(cfg *config.Config) {
		cfg.Fetch.Isolation, cfg.Fetch.MaxWait = config.ReadCommitted, 20*time.Millisecond
	}))
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 5 })
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(5)), "nothing of the transaction, nothing behind it")
	g.Expect(p.Status()[0].State).To(Equal("fetching"), "alive")
	g.Expect(cl.EndTransaction(t.Context(), kgo.TryCommit)).To(Succeed())
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 8 }) // with the marker
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(7)))
}
