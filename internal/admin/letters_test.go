package admin_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
)

type stage struct {
	g       *WithT
	fake    *kfake.Cluster
	letters *admin.DeadLetters
	cl      *kgo.Client
	admin   *kadm.Client
}

func newStage(t *testing.T) *stage {
	t.Helper()
	g := NewWithT(t)
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "a", "b", "dlq"))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(fake.Close)
	cfg := config.Default()
	cfg.Kafka.Brokers = fake.ListenAddrs()
	cfg.Producer.DeliveryTimeout = time.Second
	opts, err := kafka.New(cfg, nil).Options()
	g.Expect(err).NotTo(HaveOccurred())
	letters, err := admin.OpenDeadLetters(opts...)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(letters.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cl.Close)
	return &stage{g, fake, letters, cl, kadm.NewClient(cl)}
}

// letter writes a dead letter of a topic's partition, numbered.
func (s *stage) letter(source string, partition int32, n int, kind string) {
	h := func(name, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: name, Value: []byte(value)} }
	r := &kgo.Record{Topic: "dlq", Partition: partition, Key: fmt.Appendf(nil, "k%d", n), Value: fmt.Append(nil, n), Headers: []kgo.RecordHeader{
		h("trace", "t"), h(consumer.HeaderSourcePartition, strconv.Itoa(int(partition))), h(consumer.HeaderSourceOffset, strconv.Itoa(n)),
		h(consumer.HeaderSourceGroup, "g"), h(consumer.HeaderAttempts, "3"), h(consumer.HeaderError, kind+" happened"),
		h(consumer.HeaderErrorType, "*"+kind), h(consumer.HeaderFailedAt, time.Unix(int64(n), 0).UTC().Format(time.RFC3339)),
	}}
	if source != "" {
		r.Headers = append(r.Headers, h(consumer.HeaderSourceTopic, source))
	}
	s.g.Expect(s.cl.ProduceSync(context.Background(), r).FirstErr()).To(Succeed())
}

func (s *stage) values(topic string) (all []string) {
	s.g.Expect(s.letters.List(context.Background(), topic, admin.Selection{}, func(l admin.Letter) bool {
		all = append(all, fmt.Sprintf("%d:%s", l.Partition, l.Value))
		return true
	})).To(Succeed())
	return all
}

func TestLettersAreListed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for i := range 6 {
		s.letter("a", int32(i%3), i, []string{"timeout", "crash"}[i%2])
	}
	list := func(sel admin.Selection) (all []int64) {
		s.g.Expect(s.letters.List(t.Context(), "dlq", sel, func(l admin.Letter) bool {
			all = append(all, l.Source.Offset)
			return true
		})).To(Succeed())
		return all
	}
	s.g.Expect(list(admin.Selection{})).To(ConsistOf(int64(0), int64(1), int64(2), int64(3), int64(4), int64(5)))
	s.g.Expect(list(admin.Selection{ErrorType: "*crash"})).To(ConsistOf(int64(1), int64(3), int64(5)))
	s.g.Expect(list(admin.Selection{Error: "timeout hap", Since: time.Unix(2, 0), Until: time.Unix(4, 0)})).To(ConsistOf(int64(2)))
	s.g.Expect(list(admin.Selection{Group: "h"})).To(BeEmpty())
	s.g.Expect(list(admin.Selection{Topic: "b"})).To(BeEmpty())
	s.g.Expect(list(admin.Selection{One: true, Partition: 1, Offset: 1})).To(ConsistOf(int64(4)))
	s.g.Expect(list(admin.Selection{One: true, Partition: 1, Offset: 2})).To(BeEmpty())
	s.g.Expect(list(admin.Selection{One: true, Partition: 7})).To(BeEmpty())
	s.g.Expect(s.letters.List(t.Context(), "dlq", admin.Selection{}, func(l admin.Letter) bool {
		s.g.Expect(l.Attempts).To(Equal(3))
		s.g.Expect(l.FailedAt).To(BeTemporally("==", time.Unix(l.Source.Offset, 0)))
		return false
	})).To(Succeed())
	s.g.Expect(s.letters.List(t.Context(), "none", admin.Selection{}, nil)).To(MatchError(admin.ErrNoTopic))
}

func TestLettersAreReplayed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for i := range 6 {
		s.letter([]string{"a", "b"}[i%2], int32(i%3), i, "timeout")
	}
	dry, err := s.letters.Replay(t.Context(), "dlq", admin.Replay{DryRun: true})
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(dry.Letters).To(Equal(map[string]int{"a": 3, "b": 3}))
	s.g.Expect(s.values("a")).To(BeEmpty())

	told := 0
	done, err := s.letters.Replay(t.Context(), "dlq", admin.Replay{
		Selection: admin.Selection{Topic: "a"}, Each: func(r admin.Replayed) { told = r.Letters["a"] },
	})
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(done.Letters).To(Equal(map[string]int{"a": 3}))
	s.g.Expect(done.Passed).To(Equal(3))
	s.g.Expect(told).To(Equal(3))
	s.g.Expect(s.values("a")).To(ConsistOf("0:0", "2:2", "1:4"), "to the partitions that they came from")
	s.g.Expect(s.letters.List(t.Context(), "a", admin.Selection{}, func(l admin.Letter) bool {
		s.g.Expect(l.Headers).To(Equal([]kgo.RecordHeader{{Key: "trace", Value: []byte("t")}}), "as it was")
		return true
	})).To(Succeed())

	again, err := s.letters.Replay(t.Context(), "dlq", admin.Replay{Selection: admin.Selection{Topic: "a"}})
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(again.Letters).To(BeEmpty(), "it is done")
	s.letter("a", 1, 10, "timeout")
	more, err := s.letters.Replay(t.Context(), "dlq", admin.Replay{Selection: admin.Selection{Topic: "a"}})
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(more.Letters).To(Equal(map[string]int{"a": 1}), "only what came since")
	all, err := s.letters.Replay(t.Context(), "dlq", admin.Replay{To: "b", Again: true})
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(all.Letters).To(Equal(map[string]int{"b": 7}))
}

func TestF96_ReplayGoesOnAfterAnInterruption(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for i := range 9 {
		s.letter("a", int32(i%3), i, "timeout")
	}
	refused := s.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "a", Err: kerr.InvalidRecord, Count: -1})
	_, err := s.letters.Replay(t.Context(), "dlq", admin.Replay{})
	s.g.Expect(errors.Is(err, kerr.InvalidRecord)).To(BeTrue(), fmt.Sprint(err))
	refused.Remove()
	done, err := s.letters.Replay(t.Context(), "dlq", admin.Replay{})
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(done.Letters["a"]).To(BeNumerically(">", 0))
	s.g.Expect(s.values("a")).To(HaveLen(9), "nothing is left out, and nothing that was acknowledged is written again")
}

func TestReplayThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.letter("a", 0, 0, "timeout")
	refuse := func(r admin.Replay, why string) {
		_, err := s.letters.Replay(t.Context(), "dlq", r)
		s.g.Expect(err).To(MatchError(ContainSubstring(why)))
	}
	refuse(admin.Replay{To: "dlq"}, "goes round")
	refuse(admin.Replay{To: "nowhere"}, `topic "nowhere"`)
	s.letter("dlq", 1, 1, "timeout")
	refuse(admin.Replay{}, "came from it")
	s.letter("", 2, 2, "timeout")
	refuse(admin.Replay{Selection: admin.Selection{One: true, Partition: 2}}, "does not say where it came from")
	s.g.Expect(s.values("a")).To(BeEmpty(), "nothing is written when something cannot be")
}
