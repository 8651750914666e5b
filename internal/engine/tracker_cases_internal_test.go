package engine

import (
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
)

func received(offs ...int64) *tracker {
	t := newTracker(position{offset: offs[0], epoch: 1})
	recs := make([]*kgo.Record, len(offs))
	for i, o := range offs {
		recs[i] = &kgo.Record{Offset: o, LeaderEpoch: int32(i)}
	}
	t.receive(recs)
	return t
}

func TestTrackerCountsWhatWasReceived(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	tr := received(3, 4, 9, 12, 100) // compacted
	g.Expect(tr.mark(9, false)).To(Succeed())
	g.Expect(tr.mark(5, false)).To(Succeed(), "never received: nothing happens")
	g.Expect(tr.mark(200, false)).To(Succeed())
	g.Expect(tr.watermark()).To(Equal(position{3, 1}), "nothing is done at the front")
	g.Expect(tr.mark(3, false)).To(Succeed())
	g.Expect(tr.mark(3, false)).To(Succeed(), "twice")
	g.Expect(tr.watermark()).To(Equal(position{4, 0}))
	g.Expect(tr.mark(4, false)).To(Succeed())
	g.Expect(tr.watermark()).To(Equal(position{10, 2}), "over the gap to what was done before")
	g.Expect(tr.mark(50, true)).To(Succeed(), "through an offset that was not received")
	g.Expect(tr.watermark()).To(Equal(position{13, 3}))
	g.Expect(tr.mark(100, true)).To(Succeed())
	g.Expect(tr.watermark()).To(Equal(position{101, 4}))
	g.Expect(tr.mark(3, true)).To(Succeed(), "below the watermark")
	g.Expect(tr.watermark()).To(Equal(position{101, 4}), "never back")
}

func TestTrackerMarkedFollowsMarks(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	tr := received(0, 2, 4)
	g.Expect(tr.mark(2, false)).To(Succeed())
	g.Expect([]bool{tr.marked(0), tr.marked(2), tr.marked(4), tr.marked(7)}).To(Equal([]bool{false, true, false, false}))
	g.Expect(tr.mark(0, false)).To(Succeed())
	g.Expect([]bool{tr.marked(0), tr.marked(1), tr.marked(2), tr.marked(4)}).To(Equal([]bool{true, true, true, false}), "below the watermark all is done")
}

func TestTrackerTakesMarksBackWhileFrozen(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	tr := received(sequenceOf(10)...)
	tr.freeze()
	g.Expect(tr.mark(7, true)).To(Succeed())
	g.Expect(tr.watermark().offset).To(BeZero(), "outputs are under way")
	tr.thaw(5) // the output of 5 was refused
	g.Expect(tr.watermark().offset).To(BeEquivalentTo(5))
	g.Expect(tr.marked(6)).To(BeFalse())
	g.Expect(tr.mark(7, true)).To(Succeed())
	g.Expect(tr.watermark().offset).To(BeEquivalentTo(8))
	tr.freeze()
	g.Expect(tr.mark(9, true)).To(Succeed())
	g.Expect(tr.seal().offset).To(BeEquivalentTo(8), "what is under way when it ends does not count")
	tr.thaw(-1)
	g.Expect(tr.mark(9, false)).NotTo(Succeed())
}

func sequenceOf(n int) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = int64(i)
	}
	return s
}

// What was handed over and is not below the watermark is open, in whatever order marks and hand-overs come.
func TestTrackerCountsOpenRecords(t *testing.T) {
	t.Parallel()
	const n = 1000
	g := NewWithT(t)
	tr := received(sequenceOf(n)...)
	done := make([]bool, n)
	handed, low := 0, 0
	for range 5000 {
		if handed < n && rand.IntN(3) == 0 {
			handed += 1 + rand.IntN(min(n-handed, 7))
			tr.handOver(int64(handed - 1))
		} else if handed > 0 {
			o := rand.IntN(handed)
			done[o] = true
			g.Expect(tr.mark(int64(o), false)).To(Succeed())
		}
		for low < n && done[low] {
			low++
		}
		g.Expect(tr.open()).To(Equal(handed-low), "handed %d, watermark %d", handed, low)
		g.Expect(tr.watermark().offset).To(BeEquivalentTo(low))
	}
}
