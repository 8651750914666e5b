package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
)

// Every error that a broker may answer a fetch with, for one partition or for the whole request.
func TestF46_NoFetchErrorEndsTheLoop(t *testing.T) {
	t.Parallel()
	for _, fault := range []kfake.Fault{
		{Err: kerr.OffsetOutOfRange},
		{Err: kerr.UnknownTopicOrPartition},
		{Err: kerr.NotLeaderForPartition},
		{Err: kerr.LeaderNotAvailable},
		{Err: kerr.ReplicaNotAvailable},
		{Err: kerr.KafkaStorageError},
		{Err: kerr.UnknownLeaderEpoch},
		{Err: kerr.FencedLeaderEpoch},
		{Err: kerr.UnknownTopicID},
		{Err: kerr.InconsistentTopicID},
		{Err: kerr.OffsetNotAvailable},
		{Err: kerr.TopicAuthorizationFailed},
		{Err: kerr.CorruptMessage},
		{Err: kerr.UnknownServerError},
		{Err: kerr.UnsupportedCompressionType},
		{Err: kerr.RequestTimedOut},
		{Err: kerr.BrokerNotAvailable},
		{Err: kerr.OffsetMovedToTieredStorage},
		{Err: kerr.FetchSessionIDNotFound, TopLevel: true},
		{Err: kerr.InvalidFetchSessionEpoch, TopLevel: true},
		{Err: kerr.FetchSessionTopicIDError, TopLevel: true},
		{Err: kerr.UnknownServerError, TopLevel: true},
	} {
		t.Run(fmt.Sprintf("%s, top level %t", fault.Err.Message, fault.TopLevel), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 2)
			j := newJournal()
			p := c.run(t, each("a", j.handler("m")))
			await[callbacks.Positioned](t, p.events, 2)
			c.produce("a", 0, 10)
			c.produce("a", 1, 10)
			j.awaitRecords(t, 20)
			fault.Keys, fault.Count = []kmsg.Key{kmsg.Fetch}, 3
			if !fault.TopLevel {
				fault.Topic, fault.Partitions = "a", []int32{0}
			}
			hit := c.Fault(fault)
			g := NewWithT(t)
			g.Eventually(hit.Hits, patience).Should(BeNumerically(">=", 3))
			for range 10 {
				c.send(record("a", 0, "x"), record("a", 1, "x"))
			}
			j.awaitRecords(t, 40)
			p.stop()
			g.Expect(j.offsets("a", 1)).To(Equal(sequence(20)))
			if fault.Err == kerr.OffsetOutOfRange {
				g.Expect(of[callbacks.Gap](p.events)).NotTo(BeEmpty(), "records come again, and it is told")
				return
			}
			g.Expect(j.offsets("a", 0)).To(Equal(sequence(20)))
		})
	}
}

func TestF57_HeadersArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000000"}))
	c.topic("a", 1)
	many := record("a", 0, "many")
	for i := range 10_000 {
		many.Headers = append(many.Headers, kgo.RecordHeader{Key: fmt.Sprint("h", i%100), Value: fmt.Append(nil, i)})
	}
	large := record("a", 0, "large")
	large.Headers = []kgo.RecordHeader{
		{Key: "large", Value: bytes.Repeat([]byte("x"), 1<<20)},
		{Key: "", Value: nil},
		{Key: "\xff\xfe", Value: []byte("\x00\xff")},
		{Key: "twice", Value: []byte("1")},
		{Key: "twice", Value: []byte("2")},
		{Key: "empty", Value: []byte{}},
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(15<<20), kgo.BrokerMaxWriteBytes(50<<20))
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	g.Expect(cl.ProduceSync(t.Context(), many, large).FirstErr()).To(Succeed())
	seen := make(chan *consumer.Message, 2)
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		seen <- m
		return nil
	})))
	for _, want := range []*kgo.Record{many, large} {
		m := <-seen
		g.Expect(m.Headers).To(HaveLen(len(want.Headers)))
		for i, h := range want.Headers {
			g.Expect(m.Headers[i].Key).To(Equal(h.Key))
			g.Expect(m.Headers[i].Value).To(Equal(h.Value))
		}
	}
	p.stop()
}

func TestF63_OnlyCommittedTransactionsAreSeen(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{config.ReadCommitted, config.ReadUncommitted} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.transact(t, "a", 0, 5, kgo.TryCommit)
			c.transact(t, "a", 0, 5, kgo.TryAbort)
			c.transact(t, "a", 0, 5, kgo.TryCommit)
			open, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("open"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			g := NewWithT(t)
			g.Expect(err).NotTo(HaveOccurred())
			defer open.Close()
			g.Expect(open.BeginTransaction()).To(Succeed())
			g.Expect(open.ProduceSync(t.Context(), record("a", 0, "held")).FirstErr()).To(Succeed())
			c.produce("a", 0, 3) // behind an open transaction
			j := newJournal()
			p := c.run(t, each("a", j.handler("m")), withConfig(func(cfg *config.Config) { cfg.Fetch.Isolation = isolation }))
			if isolation == config.ReadUncommitted {
				j.awaitRecords(t, 19)
				p.stop()
				// Else a real broker gives it up in a minute, and writes its marker into a topic of another test that has this name then.
				g.Expect(open.EndTransaction(t.Context(), kgo.TryAbort)).To(Succeed())
				return
			}
			j.awaitRecords(t, 10)
			g.Eventually(p.lag("a", 0), patience).Should(BeNumerically(">", 0), "it shows as lag")
			g.Expect(of[callbacks.FetchFailed](p.events)).To(BeEmpty(), "and not as an error")
			g.Expect(open.EndTransaction(t.Context(), kgo.TryCommit)).To(Succeed())
			j.awaitRecords(t, 14)
			g.Eventually(p.lag("a", 0), patience).Should(BeZero())
			p.stop()
			g.Expect(j.unique()).To(Equal(14))
			g.Expect(j.all()).To(HaveLen(14), "nothing that was aborted")
		})
	}
}

func TestF64_TimestampsOfAnyKind(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	times := []time.Time{
		time.UnixMilli(-1), time.UnixMilli(0), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), time.Now(), time.Now().Add(-time.Hour),
	}
	for _, at := range times {
		r := record("a", 0, at.String())
		r.Timestamp = at
		c.send(r)
	}
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")))
	j.awaitRecords(t, len(times))
	p.stop()
	g := NewWithT(t)
	for _, e := range of[callbacks.Handled](p.events) {
		g.Expect(e.Elapsed).To(BeNumerically(">=", 0))
	}
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(len(times))))
}

func TestManyPartitionsTakeFewFetches(t *testing.T) {
	t.Parallel()
	const partitions, batch = 500, 500
	c := newCluster(t)
	c.topic("a", partitions)
	value := make([]byte, 100)
	for p := range int32(partitions) { // batches of 57 KiB, which are more than a fair share of the memory allows
		recs := make([]*kgo.Record, batch)
		for i := range recs {
			recs[i] = &kgo.Record{Topic: "a", Partition: p, Value: value}
		}
		c.send(recs...)
	}
	fetches := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Count: -1, Observe: true})
	var handled atomic.Int64
	done := make(chan struct{})
	p := c.run(t, each("a", consumer.HandlerFunc(func(context.Context, *consumer.Message) error {
		if handled.Add(1) == partitions*batch {
			close(done)
		}
		return nil
	})))
	<-done
	p.stop()
	NewWithT(t).Expect(fetches.Hits()).To(BeNumerically("<", partitions/4), "as much as fits into an answer, not a partition at a time")
}
