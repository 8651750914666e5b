package testkit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

var (
	errStore   = errors.New("connection lost")
	errVerdict = errors.New("bad record")
)

// booking writes the value of each record, and then does what the value says.
func booking(s *testkit.Store) consumer.Handler {
	return consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if err := s.Write(ctx, string(m.Value)); err != nil {
			return err
		}
		switch v := string(m.Value); {
		case v == "bad", v == "twice" && m.Attempt() <= 2:
			return errVerdict
		case v == "panics" && m.Attempt() == 1:
			panic("at the disco")
		case v == "slow" && m.Attempt() == 1:
			<-ctx.Done()
			return ctx.Err()
		case v == "stuck":
			<-ctx.Done()
		case v == "seek" && m.Assigned().Epoch() == 1:
			return m.Assigned().Seek(ctx, 0)
		}
		return nil
	})
}

// bookings draws a route of topic t that books in a store.
func bookings(s *testkit.Store, change ...func(*router.Route)) router.Drawer {
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			route := g.Topic("t").Each(booking(s)).ExternalOffsets(s)
			for _, c := range change {
				c(route)
			}
		})
	}
}

func texts(values ...string) (ms []*testkit.Message) {
	for _, v := range values {
		ms = append(ms, testkit.Text(v))
	}
	return ms
}

func TestExternalOffsetsAreKeptWithTheResults(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s))
	g.Expect(s.Position("g", "t", 0)).To(BeZero(), "a start is stored")
	ds := k.DeliverAll("t", texts("a", "twice", "b", "panics", "c")...)
	k.Settle()
	g.Expect(s.Rows()).To(HaveExactElements("a", "twice", "b", "panics", "c"))
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(5))
	g.Expect(k.Committed("g", "t", 0)).To(BeEquivalentTo(5), "Kafka is told, for those who watch the lag")
	testkit.Check(t, ds[1], testkit.HaveRetried(2), testkit.HaveMarked())
}

func TestExternalOffsetsRollBackWhatFailedAndMovePastIt(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s, func(r *router.Route) {
		r.OnFailure(router.When(router.ErrorIs(context.DeadlineExceeded), router.Retry(1, time.Second), router.Skip), router.DeadLetter("dlq"))
		r.Timeout(time.Minute)
	}))
	ds := k.DeliverAll("t", texts("a", "bad", "slow", "bad")...)
	k.Settle()
	g.Expect(s.Rows()).To(HaveExactElements("a", "slow"))
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(4), "also behind the last")
	testkit.Check(t, ds[1], testkit.HaveDeadLettered("dlq"), testkit.HaveMarked())
	testkit.Check(t, ds[2], testkit.HaveRetried(1), testkit.HaveMarked())
	g.Expect(k.Outputs("dlq")).To(HaveLen(2))
}

func TestExternalOffsetsTellTheStoreOfALetterBeforeWhatFollows(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s, func(r *router.Route) { r.OnFailure(router.DeadLetter("dlq")) }))
	k.DeliverAll("t", texts("bad", "stuck")...)
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(1), "while the next is being handled")
	k.Lose("t")
	k.Advance(time.Minute)
	g.Expect(s.Rows()).To(BeEmpty(), "its partition was lost")
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(1))
}

func TestExternalOffsetsFindOutWhatBecameOfACommit(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s, func(r *router.Route) { r.OnFailure(router.Retry(1, time.Second), router.Stop) }))
	s.LoseCommits(1, errStore)
	s.FailClaims(3, errStore) // it takes a while to find out
	a := k.Deliver("t", testkit.Text("a"))
	g.Expect(a.Marked()).To(BeFalse())
	k.Settle()
	testkit.Check(t, a, testkit.HaveHandled(1), testkit.HaveRetried(0), testkit.HaveMarked())

	s.FailCommits(1, errStore) // rolled back
	b := k.Deliver("t", testkit.Text("b"))
	k.Settle()
	testkit.Check(t, b, testkit.HaveRetried(1), testkit.HaveFailed(errStore), testkit.HaveMarked())
	g.Expect(s.Rows()).To(HaveExactElements("a", "b"))
	g.Expect(testkit.Events[callbacks.StoreFailed](k)).To(HaveLen(5))
	g.Expect(k.Err()).NotTo(HaveOccurred())
}

func TestExternalOffsetsFindOutWhatBecameOfAMove(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s, func(r *router.Route) { r.OnFailure(router.DeadLetter("dlq")) }))
	s.LoseCommits(1, errStore)
	k.Deliver("t", testkit.Text("bad"))
	k.Settle()
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(1))
	s.FailCommits(2, errStore)
	k.DeliverAll("t", texts("bad", "a")...)
	k.Settle()
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(3))
	g.Expect(k.Outputs("dlq")).To(HaveLen(2), "a letter is written once")
	g.Expect(s.Rows()).To(HaveExactElements("a"))
}

func TestExternalOffsetsWaitForTheStoreWithoutCountingAttempts(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s, func(r *router.Route) { r.OnFailure(router.Stop) }))
	s.FailBegins(5, errStore)
	a := k.Deliver("t", testkit.Text("a"))
	g.Expect(a.Handled()).To(BeZero())
	k.Settle()
	testkit.Check(t, a, testkit.HaveHandled(1), testkit.HaveMarked())
	g.Expect(testkit.Events[callbacks.StoreFailed](k)).To(HaveLen(5))
	g.Expect(testkit.Events[callbacks.Failed](k)).To(BeEmpty())
}

func TestExternalOffsetsNeverStartAnewForAnError(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s))
	k.DeliverAll("t", texts("a", "b")...)
	k.Revoke("t")
	s.FailClaims(4, errStore)
	k.Assign("t")
	k.Deliver("t", testkit.Text("c"))
	g.Expect(s.Rows()).To(HaveExactElements("a", "b"))
	k.Settle()
	k.Advance(time.Minute)
	g.Expect(s.Rows()).To(HaveExactElements("a", "b", "c"))
	g.Expect(testkit.Events[callbacks.StoreFailed](k)).To(HaveLen(4))
	last := testkit.Events[callbacks.Positioned](k)[1]
	g.Expect(last.Offset).To(BeEquivalentTo(2))
	g.Expect(last.Committed).To(BeTrue())
}

func TestExternalOffsetsThatCannotKeepAStartAreClaimedAgain(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	s.FailCommits(2, errStore)
	k := testkit.New(t, bookings(s))
	k.Advance(time.Minute)
	k.Deliver("t", testkit.Text("a"))
	k.Settle()
	g.Expect(s.Rows()).To(HaveExactElements("a"))
}

func TestExternalOffsetsOfAStaleOwnerAreRefused(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s))
	k.Deliver("t", testkit.Text("a"))
	s.Fence("g", "t", 0)
	k.DeliverAll("t", texts("b", "c")...)
	g.Expect(s.Rows()).To(HaveExactElements("a"))
	g.Expect(testkit.Events[callbacks.Fenced](k)).To(HaveExactElements(HaveField("Offset", BeEquivalentTo(1))))
	k.Advance(30 * time.Second)
	g.Expect(testkit.Events[callbacks.Fenced](k)).To(HaveLen(1), "it does not try")
	g.Expect(testkit.Events[callbacks.Failed](k)).To(BeEmpty())
	k.Lose("t")
	k.Assign("t")
	k.Settle()
	g.Expect(s.Rows()).To(HaveExactElements("a", "b", "c"))
	k.Advance(2 * time.Minute)
	g.Expect(testkit.Events[callbacks.Assigned](k)).To(HaveLen(2), "who waited for its end has given up")
}

func TestExternalOffsetsAreClaimedAnewWhenTheGroupDisagrees(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s))
	k.Deliver("t", testkit.Text("a"))
	s.Fence("g", "t", 0)
	k.DeliverAll("t", texts("b", "c")...)
	s.FailClaims(2, errStore)
	k.Advance(2 * time.Minute)
	g.Expect(s.Rows()).To(HaveExactElements("a", "b", "c"))
	g.Expect(testkit.Events[callbacks.Resumed](k)).To(HaveExactElements(HaveField("Reason", callbacks.PausedFenced)))
	k.Settle()
	g.Expect(k.Committed("g", "t", 0)).To(BeEquivalentTo(3))
}

func TestExternalOffsetsOfAFencedPartitionThatIsStopped(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s))
	k.Deliver("t", testkit.Text("a"))
	s.Fence("g", "t", 0)
	k.Deliver("t", testkit.Text("b"))
	g.Expect(k.Stop()).To(Succeed())
	g.Expect(s.Rows()).To(HaveExactElements("a"))
	g.Expect(k.Committed("g", "t", 0)).To(BeZero(), "the other owner tells Kafka")
}

func TestExternalOffsetsWhoseCommitIsRefusedEndByOnFailure(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s, func(r *router.Route) { r.OnFailure(router.Retry(1, time.Second), router.DeadLetter("dlq")) }))
	s.FailCommits(2, errStore)
	a := k.Deliver("t", testkit.Text("a"))
	k.Deliver("t", testkit.Text("b"))
	k.Settle()
	testkit.Check(t, a, testkit.HaveRetried(1), testkit.HaveDeadLettered("dlq"), testkit.HaveFailed(errStore))
	g.Expect(s.Rows()).To(HaveExactElements("b"))
}

func TestExternalOffsetsInKafkaAreNeverAboveTheStores(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s, func(r *router.Route) { r.OnFailure(router.Skip) }))
	k.Deliver("t", testkit.Text("a"))
	s.FailCommits(1000, errStore)
	k.DeliverAll("t", texts("bad", "b")...)
	k.Advance(time.Minute)
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(1))
	g.Expect(k.Committed("g", "t", 0)).To(BeEquivalentTo(1))
	g.Expect(s.Rows()).To(HaveExactElements("a"), "what follows waits")
}

func TestExternalOffsetsOfABatchShareAUnit(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	var sizes []int
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("t").Batch(consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				sizes = append(sizes, b.Len())
				for _, m := range b.All() {
					if err := s.Write(ctx, string(m.Value)); err != nil {
						return err
					}
					if string(m.Value) == "bad" {
						return consumer.FailedAt(m, errVerdict)
					}
				}
				return nil
			}), 10, time.Millisecond).ExternalOffsets(s).OnFailure(router.Retry(2, time.Second), router.Skip)
		})
	})
	k.DeliverAll("t", texts("a", "b", "c")...)
	k.Advance(time.Millisecond)
	g.Expect(s.Rows()).To(HaveExactElements("a", "b", "c"))
	g.Expect(sizes).To(HaveExactElements(3))
	sizes = nil

	ds := k.DeliverAll("t", texts("d", "e", "bad", "f")...)
	k.Advance(2 * time.Millisecond)
	g.Expect(s.Rows()).To(HaveExactElements("a", "b", "c", "d", "e"), "what came before counts")
	g.Expect(sizes).To(HaveExactElements(4, 2, 2))
	k.Settle()
	g.Expect(s.Rows()).To(HaveExactElements("a", "b", "c", "d", "e", "f"))
	testkit.Check(t, ds[2], testkit.HaveRetried(2), testkit.HaveMarked(), testkit.HaveFailed(errVerdict))
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(7))
}

func TestExternalOffsetsOfABatchThatFailsAsAWhole(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("t").Batch(consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				var failed error
				for _, m := range b.All() {
					if err := s.Write(ctx, string(m.Value)); err != nil {
						return err
					}
					if string(m.Value) == "bad" {
						failed = errVerdict
					}
				}
				return failed
			}), 10, time.Millisecond).ExternalOffsets(s).OnFailure(router.Retry(1, time.Second), router.DeadLetter("dlq"))
		})
	})
	k.DeliverAll("t", texts("a", "bad", "b", "bad")...)
	k.Settle()
	g.Expect(s.Rows()).To(HaveExactElements("a", "b"))
	g.Expect(k.Outputs("dlq")).To(HaveLen(2))
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(4))
}

func TestExternalOffsetsWithFilters(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s, func(r *router.Route) { r.Expire(time.Hour).Delay(time.Minute) }))
	old := k.Now().Add(-2 * time.Hour)
	k.DeliverAll("t", testkit.Text("old").At(old), testkit.Text("a"), testkit.Text("old").At(old))
	g.Expect(s.Rows()).To(BeEmpty())
	k.Settle()
	g.Expect(s.Rows()).To(HaveExactElements("a"))
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(3))
}

func TestExternalOffsetsFollowASeek(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s))
	k.Deliver("t", testkit.Text("a"))
	s.FailClaims(1, errStore)
	k.Deliver("t", testkit.Text("seek"))
	g.Expect(s.Rows()).To(HaveExactElements("a", "seek"), "the record that asked is committed")
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(2), "the store does not answer")
	k.Settle()
	k.Advance(time.Second)
	g.Expect(s.Rows()).To(HaveExactElements("a", "seek", "a", "seek"))
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(2))
}

func TestExternalOffsetsOverARebalance(t *testing.T) {
	g, s := NewWithT(t), testkit.NewStore()
	k := testkit.New(t, bookings(s), testkit.Partitions("t", 2))
	k.DeliverAll("t", testkit.Text("a").On(0), testkit.Text("stuck").On(0), testkit.Text("b").On(1))
	k.Revoke("t", 0)
	k.Advance(time.Hour) // it returns nil when its context ends, and too late
	g.Expect(s.Rows()).To(ConsistOf("a", "b"))
	k.Assign("t", 0)
	g.Expect(s.Position("g", "t", 0)).To(BeEquivalentTo(1))
	g.Expect(s.Position("g", "t", 1)).To(BeEquivalentTo(1))
}
