package admin_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/router"
)

func (s *site) write(topic string, partition int32, n int) {
	for range n {
		s.g.Expect(s.cl.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Partition: partition}).FirstErr()).To(Succeed())
	}
}

func (s *site) commit(group, topic string, partition int32, at int64) {
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: topic, Partition: partition, At: at, LeaderEpoch: -1})
	s.g.Expect(s.kadm.CommitAllOffsets(context.Background(), group, o)).To(Succeed())
}

func (s *site) lag(table *router.Table, fails types.GomegaMatcher) (lines []string) {
	lags, err := s.admin.Lag(context.Background(), table, func(string) bool { return false })
	s.g.Expect(err).To(fails)
	for _, l := range lags {
		committed := "-"
		if l.Committed != nil {
			committed = strconv.FormatInt(*l.Committed, 10)
		}
		lines = append(lines, fmt.Sprintf("%s %s/%d: %s of %d, %d behind", l.Group, l.Topic, l.Partition, committed, l.End, l.Lag))
	}
	return lines
}

func TestLagIsFromWhatIsCommittedToTheEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 3, 1)
	s.topic("b", 1, 1)
	s.write("a", 0, 10)
	s.write("a", 1, 5)
	s.write("b", 0, 4)
	s.commit("g", "a", 0, 7)
	s.commit("h", "a", 0, 2)
	var cut kadm.Offsets
	cut.Add(kadm.Offset{Topic: "a", Partition: 0, At: 5})
	_, err := s.kadm.DeleteRecords(t.Context(), cut)
	s.g.Expect(err).NotTo(HaveOccurred())
	table := draw(s.g, in("h", "a"), in("g", "a"), in("g", "b"))
	s.g.Expect(s.lag(table, Succeed())).To(Equal([]string{
		"g a/0: 7 of 10, 3 behind",
		"g a/1: - of 5, 5 behind",
		"g a/2: - of 0, 0 behind",
		"g b/0: - of 4, 4 behind",
		"h a/0: 2 of 10, 5 behind", // the other three are gone
		"h a/1: - of 5, 5 behind",
		"h a/2: - of 0, 0 behind",
	}))
}

func TestLagSaysWhatItCouldNotRead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 2, 1)
	s.write("a", 0, 2)
	s.commit("g", "a", 0, 1)
	table := draw(s.g, in("g", "a"), in("g", "gone"))
	s.g.Expect(s.lag(table, MatchError(ContainSubstring(`topic "gone" does not exist`)))).To(Equal([]string{
		"g a/0: 1 of 2, 1 behind", "g a/1: - of 0, 0 behind",
	}))
	s.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "g", Err: kerr.GroupAuthorizationFailed, Count: -1})
	s.g.Expect(s.lag(draw(s.g, in("g", "a"), in("h", "a")), MatchError(ContainSubstring(`fetch offsets of group "g"`)))).To(Equal([]string{
		"h a/0: - of 2, 2 behind", "h a/1: - of 0, 0 behind",
	}), "an unreadable offset is not one that is not there")
}

func TestLagWaitsForTheFirstCoordinator(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 1, 1)
	none := s.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: 3})
	s.g.Expect(s.lag(draw(s.g, in("g", "a")), Succeed())).To(Equal([]string{"g a/0: - of 0, 0 behind"}))
	s.g.Expect(none.Hits()).To(BeNumerically("==", 3))
}

func TestLagOfCommittedTransactionsEndsAtTheFirstOpenOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 1, 1)
	s.write("a", 0, 2)
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.fake.ListenAddrs()...), kgo.TransactionalID("t"))
	s.g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cl.Close)
	s.g.Expect(cl.BeginTransaction()).To(Succeed())
	s.g.Expect(cl.ProduceSync(t.Context(), &kgo.Record{Topic: "a"}).FirstErr()).To(Succeed())
	lags, err := s.admin.Lag(t.Context(), draw(s.g, in("g", "a"), in("h", "a")), func(group string) bool { return group == "h" })
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(lags).To(Equal([]admin.Lag{{Group: "g", Topic: "a", End: 3, Lag: 3}, {Group: "h", Topic: "a", End: 2, Lag: 2}}))
}
