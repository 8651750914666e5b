package engine_test

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/router"
)

// poisoned fails the third of every ten records, always, and notes the others.
func poisoned(j *journal) consumer.Handler {
	return consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if n, _ := strconv.Atoi(string(m.Value)); n%10 == 3 {
			return errPoison
		}
		j.note("m", m)
		return nil
	})
}

func letters(end ...router.Step) func(*router.Route) {
	return func(r *router.Route) {
		r.OnFailure(append([]router.Step{router.Retry(2, time.Millisecond)}, end...)...)
	}
}

// records reads a topic to its end, by partition and offset.
func (c *cluster) records(topic string) []*kgo.Record {
	c.t.Helper()
	ends, err := c.admin.ListEndOffsets(c.t.Context(), topic)
	c.g.Expect(err).NotTo(HaveOccurred())
	at := map[string]map[int32]kgo.Offset{topic: {}}
	want := int64(0)
	ends.Each(func(o kadm.ListedOffset) {
		at[topic][o.Partition] = kgo.NewOffset().AtStart()
		want += o.Offset
	})
	cl, err := kgo.NewClient(append(c.login, kgo.SeedBrokers(c.addrs...), kgo.ConsumePartitions(at), kgo.FetchMaxWait(100*time.Millisecond))...)
	c.g.Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	var all []*kgo.Record
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	for int64(len(all)) < want {
		fetches := cl.PollFetches(ctx)
		c.g.Expect(ctx.Err()).NotTo(HaveOccurred(), "read %d of %d records of %s", len(all), want, topic)
		all = append(all, fetches.Records()...)
	}
	return all
}

func headerOf(r *kgo.Record, name string) string {
	var all []string
	for _, h := range r.Headers {
		if h.Key == name {
			all = append(all, string(h.Value))
		}
	}
	return strings.Join(all, ",")
}

func TestF49_PoisonGoesToTheDeadLetters(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	c.topic("dlq", 2)
	for id := range int32(2) {
		c.produce("a", id, 100)
	}
	j := newJournal()
	p := c.run(t, each("a", poisoned(j), letters(router.DeadLetter("dlq"))))
	j.awaitRecords(t, 180)
	await[callbacks.DeadLettered](t, p.events, 20)
	p.stop()
	g := NewWithT(t)
	g.Expect(of[callbacks.Failed](p.events)).To(HaveLen(60), "three attempts each")
	all := c.records("dlq")
	g.Expect(all).To(HaveLen(20))
	for _, r := range all {
		g.Expect(headerOf(r, consumer.HeaderSourcePartition)).To(Equal(strconv.Itoa(int(r.Partition))))
		g.Expect(string(r.Value)).To(Equal(headerOf(r, consumer.HeaderSourceOffset)))
		g.Expect(headerOf(r, consumer.HeaderAttempts)).To(Equal("3"))
	}
	for id := range int32(2) {
		g.Expect(c.committed("g", "a", id)).To(BeEquivalentTo(100))
	}
}

func TestF49_OffsetPassesOnlyAfterTheLetterIsAcknowledged(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("dlq", 1)
	c.produce("a", 0, 10)
	written, goOn := make(chan struct{}, 10), make(chan struct{})
	c.fake().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.fake().KeepControl()
		c.fake().SleepControl(func() {
			written <- struct{}{}
			<-goOn
		})
		return nil, nil, false //nolint:nilnil // not answered here
	})
	j := newJournal()
	p := c.run(t, each("a", poisoned(j), letters(router.DeadLetter("dlq"))))
	<-written
	g := NewWithT(t)
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == 3 })
	g.Expect(j.offsets("a", 0)).To(Equal([]int64{0, 1, 2}))
	close(goOn)
	j.awaitRecords(t, 9)
	p.stop()
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
}

func TestF66_LetterThatCannotBeWrittenHoldsUpItsPartitionAlone(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]*kerr.Error{
		"denied": kerr.TopicAuthorizationFailed, "not in sync": kerr.NotEnoughReplicas, "invalid": kerr.InvalidRecord,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 2)
			c.topic("dlq", 1)
			fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "dlq", Err: code, Count: -1})
			c.produce("a", 0, 10)
			c.send(record("a", 1, "0"), record("a", 1, "1"))
			j := newJournal()
			p := c.run(t, each("a", poisoned(j), letters(router.DeadLetter("dlq"))), withConfig(func(cfg *config.Config) {
				cfg.Producer.DeliveryTimeout = time.Second
			}))
			await[callbacks.ForwardFailed](t, p.events, 1)
			j.awaitRecords(t, 5)
			g := NewWithT(t)
			g.Expect(j.offsets("a", 1)).To(Equal(sequence(2)), "the other partition goes on")
			g.Expect(c.committed("g", "a", 0)).To(BeNumerically("<=", 3))
			g.Eventually(func() error {
				for _, s := range p.Status() {
					if s.Partition == 0 && s.Retrying != nil && s.Retrying.Blocked {
						return s.Retrying.Err
					}
				}
				return nil
			}, patience).Should(MatchError(And(ContainSubstring(`write it to "dlq"`), ContainSubstring(errPoison.Error()))))
			fault.Remove()
			j.awaitRecords(t, 11)
			p.stop()
			g.Expect(c.records("dlq")).To(HaveLen(1))
			g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
		})
	}
}

func TestF66_DeadLetterTopicsAreChecked(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 5)
	g := NewWithT(t)
	steps := letters(router.RetryLater(time.Second), router.DeadLetter("dlq"))
	p := c.prepare(t, each("a", poisoned(newJournal()), steps))
	g.Expect(p.Start(t.Context())).To(MatchError(And(ContainSubstring("dlq"), ContainSubstring("a.g.retry.1s"), ContainSubstring("do not exist"))))
	j := newJournal()
	p = c.run(t, each("a", poisoned(j), steps), withConfig(func(cfg *config.Config) { cfg.Kafka.MissingTopics = engine.MissingCreate }))
	c.produce("a", 4, 4)
	await[callbacks.DeadLettered](t, p.events, 1)
	topics, err := c.admin.ListTopics(t.Context(), "dlq", "a.g.retry.1s")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(topics["dlq"].Partitions).To(HaveLen(5), "as many as where its records come from")
	g.Expect(topics["a.g.retry.1s"].Partitions).To(HaveLen(5))
	g.Expect(c.records("dlq")[0].Partition).To(BeEquivalentTo(4))
	p.stop()
}

func TestF67_LetterThatIsTooLargeForTheTopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.g.Expect(c.admin.CreateTopic(t.Context(), 1, -1, map[string]*string{"max.message.bytes": new("5700")}, "dlq")).Error().NotTo(HaveOccurred())
	c.send(&kgo.Record{Topic: "a", Value: bytes.Repeat([]byte("x"), 5000)})
	long := errors.New(strings.Repeat("e", 900))
	p := c.run(t, each("a", consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return long }), letters(router.DeadLetter("dlq"))),
		withConfig(func(cfg *config.Config) { cfg.Producer.Compression = config.NoCompression }))
	await[callbacks.DeadLettered](t, p.events, 1)
	p.stop()
	letter := c.records("dlq")[0]
	g := NewWithT(t)
	g.Expect(letter.Value).To(HaveLen(5000))
	g.Expect(headerOf(letter, consumer.HeaderError)).To(HaveLen(100))
}

func TestF83_StopWhileALetterIsOnItsWay(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		c := newCluster(t)
		c.topic("a", 1)
		c.topic("dlq", 1)
		c.produce("a", 0, 10)
		written, goOn := make(chan struct{}, 10), make(chan struct{})
		c.fake().ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.fake().KeepControl()
			c.fake().SleepControl(func() {
				written <- struct{}{}
				<-goOn
			})
			return nil, nil, false //nolint:nilnil // not answered here
		})
		defer close(goOn)
		draw := each("a", poisoned(newJournal()), append(o.draw, letters(router.DeadLetter("dlq")))...)
		p := c.run(t, draw, withSettings(func(s *engine.Settings) { s.Drain, s.Grace = 50*time.Millisecond, time.Second }))
		<-written
		p.stop() // its handlers have returned, and nobody waits for the letter
		NewWithT(t).Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(3), "it will be delivered again")
	})
}

func TestF69_RevokedBetweenTheLetterAndTheCommit(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("dlq", 1)
	c.produce("a", 0, 10)
	j := newJournal()
	draw := each("a", poisoned(j), letters(router.DeadLetter("dlq")))
	p := c.run(t, draw, withConfig(func(cfg *config.Config) { cfg.Commit.Interval = time.Hour }))
	await[callbacks.DeadLettered](t, p.events, 1)
	j.awaitRecords(t, 9)
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.UnknownMemberID, Count: -1})
	p.kill()
	fault.Remove()
	again := c.run(t, draw)
	await[callbacks.DeadLettered](t, again.events, 1)
	await(t, again.events, 1, func(e callbacks.Handled) bool { return e.Last == 9 })
	again.stop()
	all := c.records("dlq")
	g := NewWithT(t)
	g.Expect(all).To(HaveLen(2), "a copy more, and no record less")
	for _, r := range all {
		from := headerOf(r, consumer.HeaderSourceTopic) + headerOf(r, consumer.HeaderSourcePartition) + headerOf(r, consumer.HeaderSourceOffset)
		g.Expect(from).To(Equal("a03"), "by which the copy is told")
	}
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
}

func TestF72_RestartWhileRecordsWait(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	c.topic("a.g.retry.1s", 1)
	c.topic("dlq", 1)
	c.produce("a", 0, 10)
	var early atomic.Int64
	j := newJournal()
	draw := each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if at := headerOf(m.Record, consumer.HeaderRetryAt); at != "" {
			due, err := time.Parse(time.RFC3339, at)
			if err != nil || time.Now().Before(due) {
				early.Add(1)
			}
			j.note("m", m)
			return nil
		}
		return errPoison
	}), func(r *router.Route) { r.OnFailure(router.RetryLater(time.Second), router.DeadLetter("dlq")) })
	p := c.run(t, draw)
	await[callbacks.RetriedLater](t, p.events, 10)
	p.stop()
	g := NewWithT(t)
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(10))
	again := c.run(t, draw)
	j.awaitRecords(t, 10)
	again.stop()
	g.Expect(early.Load()).To(BeZero())
	g.Expect(j.offsets("a.g.retry.1s", 0)).To(Equal(sequence(10)))
	g.Expect(c.committed("g", "a.g.retry.1s", 0)).To(BeEquivalentTo(10))
	g.Expect(of[callbacks.Revoked](p.events)).To(HaveLen(2), "by the stop alone")
}
