package engine

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestWaitsKeepTheirOrderOverBlocks(t *testing.T) {
	g := NewWithT(t)
	var q waits
	var in, out int64
	push := func(n int) {
		for range n {
			w := q.push()
			g.Expect(w.from).To(BeNil(), "what is used again holds nothing")
			g.Expect(w.refused).To(BeZero())
			w.from, w.source = &kgo.Record{}, in
			g.Expect(q.back()).To(BeIdenticalTo(w))
			in++
		}
	}
	pop := func(n int) {
		for range n {
			g.Expect(q.front().source).To(Equal(out))
			q.pop()
			out++
		}
		g.Expect(q.n).To(Equal(int(in - out)))
	}
	for _, n := range []int{1, blockWaits - 1, blockWaits, blockWaits + 1, 3 * blockWaits} {
		push(n)
		pop(n)
		push(n)
		pop(n / 2)
		push(n)
		pop(n - n/2)
		pop(n)
	}
}

func TestWaitThatIsUsedAgainAnswersForItsNewRecord(t *testing.T) {
	g := NewWithT(t)
	var q waits
	w := q.push()
	keep := w.promise()
	q.pop()
	again := q.push()
	g.Expect(again).To(BeIdenticalTo(w))
	again.p, again.from, again.pending = newPipeline(&assignment{}), &kgo.Record{Offset: 7}, 2
	again.p.waits, again.p.pending = q, 2
	keep(&kgo.Record{Topic: "out"}, kgo.ErrMaxBuffered)
	g.Expect(again.pending).To(Equal(int32(1)))
	g.Expect(again.refused).To(Equal(&outputError{topic: "out", err: kgo.ErrMaxBuffered}))
}
