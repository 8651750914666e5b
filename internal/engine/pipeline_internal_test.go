package engine

import (
	"context"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// crowd is a producer that says how much room it has, and keeps what it is given.
type crowd struct {
	kafka.Producer

	room, asked int
	full        bool   // what may wait does
	bounded     []bool // by something that ends earlier than the producer's own timeout
	promises    []func(*kgo.Record, error)
}

func (c *crowd) Room() int {
	c.asked++
	return c.room
}

func (c *crowd) Produce(ctx context.Context, _ kafka.Source, _ *kgo.Record, promise func(*kgo.Record, error)) {
	bounded := ctx != context.Background()
	c.bounded = append(c.bounded, bounded)
	c.promises = append(c.promises, promise)
	if c.full && bounded {
		ctx.Done()
	}
}

func (c *crowd) answer() {
	c.answers(len(c.promises))
	c.bounded, c.asked = nil, 0
}

func (c *crowd) answers(n int) {
	for _, promise := range c.promises[:n] {
		promise(&kgo.Record{}, nil)
	}
	c.promises = c.promises[n:]
}

// crowdedBy is the pipeline of an assignment whose outputs go to a producer, and what sends some.
func crowdedBy(t *testing.T, to kafka.Producer) (p *pipeline, send func(n int)) {
	t.Helper()
	a := drawn(t, hotPaths["respond"])
	a.r.e.producer = to
	p = newPipeline(a)
	d, at := &delivery{a: a, attempt: 1}, int64(0)
	return p, func(n int) {
		for range n {
			p.send(d, &kgo.Record{Offset: at}, &kgo.Record{})
			at++
		}
	}
}

func TestPipelineAsksForRoomOnceForManyOutputs(t *testing.T) {
	g := NewWithT(t)
	c := &crowd{}
	p, send := crowdedBy(t, c)
	later := func() { p.a.r.e.clock.now.Add(int64(tick)) }

	c.room = 1000
	send(2*blockRooms + 1)
	g.Expect(c.asked).To(Equal(3))
	g.Expect(c.bounded).NotTo(ContainElement(true), "it need not wait")

	c.room = 0
	send(2*blockRooms - 1) // what was said counts
	g.Expect(c.asked).To(Equal(4))
	g.Expect(c.bounded[3*blockRooms:]).To(HaveEach(true), "it waits no longer than its assignment lasts")
	send(1)
	g.Expect(c.asked).To(Equal(5))

	c.answer()
	c.room = 2
	later()
	send(3)
	g.Expect(c.asked).To(Equal(2), "what was said a millisecond before is old")
	g.Expect(c.bounded).To(HaveEach(false))
	c.room = 0
	c.answer()
	later()
	send(1)
	g.Expect(c.bounded).To(HaveEach(true))

	c.room = 1000
	c.answer()
	later()
	p.send(&delivery{a: p.a, attempt: 1}, &kgo.Record{Offset: 1 << 20}, &kgo.Record{Value: make([]byte, 5<<10)})
	g.Expect(c.bounded).To(HaveEach(true), "it is not small")
	g.Expect(c.asked).To(BeZero())
}

func TestPipelineThatWaitedForRoomGoesOnWhenHalfIsAnswered(t *testing.T) {
	g := NewWithT(t)
	c := &crowd{}
	p, send := crowdedBy(t, c)
	send(99)
	c.full = true
	sent := make(chan struct{})
	go func() {
		send(1)
		close(sent)
	}()
	g.Eventually(func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.half != nil
	}).Should(BeTrue())
	c.answers(49)
	g.Expect(sent).NotTo(BeClosed())
	c.answers(1)
	g.Eventually(sent).Should(BeClosed())

	c.room = 2
	send(1)
	g.Expect(c.bounded[100]).To(BeFalse(), "it asks anew")

	c.answer()
	c.room = 0
	p.a.r.e.clock.now.Add(int64(tick))
	send(blockRooms - 1) // there are too few to wait for
	go send(2)
	p.a.cancel(offsets.ErrRevoked)
	g.Eventually(func() int64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return int64(p.pending)
	}).Should(BeEquivalentTo(blockRooms+1), "it does not outlive its assignment")
}

func TestTwoThatWaitForHalfAreBothWoken(t *testing.T) {
	g := NewWithT(t)
	c := &crowd{}
	p, send := crowdedBy(t, c)
	send(100)
	done := make(chan struct{}, 2)
	for range 2 {
		go func() {
			p.ease()
			done <- struct{}{}
		}()
	}
	c.answers(100)
	g.Eventually(done).Should(Receive())
	g.Eventually(done).Should(Receive())
}

// held keeps answers back.
type held struct {
	kafka.Producer

	promises []func(*kgo.Record, error)
}

func (h *held) Room() int { return perFetch }

func (h *held) Produce(_ context.Context, _ kafka.Source, _ *kgo.Record, promise func(*kgo.Record, error)) {
	h.promises = append(h.promises, promise)
}

// A fetch that many partitions share is let go where handlers are slow, but not what may have to be handed over again.
func TestWhatWaitsForItsOutputsIsKeptWhenTheFetchGoes(t *testing.T) {
	for _, pausedAt := range []int64{-1, 4} {
		g := NewWithT(t)
		var w *worker
		var a *assignment
		var seen []string
		refused := int64(-1)
		a = drawn(t, func(g *router.Group) {
			g.Topic("t").Each(responder.Decoded(consumer.BytesCodec, func(_ context.Context, o *responder.Writer, m *consumer.Typed[[]byte]) error {
				seen = append(seen, string(m.Payload))
				if m.Offset == pausedAt && refused < 0 {
					a.pause(pausedUser)
				}
				if m.Offset == 10 && refused < 0 {
					w.unpin()
				}
				return out.Send(o, m.Key, m.Payload)
			}, out.Required()))
		})
		h := &held{}
		a.r.e.producer = h
		w = newWorker(a)
		var recs []*kgo.Record
		for at := range int64(20) {
			recs = append(recs, &kgo.Record{Topic: "t", Offset: at, Value: []byte(strconv.FormatInt(at, 10))})
		}
		s := &slab{recs: recs, bytes: measure(recs), body: &body{budget: a.r.budget, bytes: 1 << 20}, plain: true}
		s.body.slabs.Store(2) // another partition has the rest of it
		g.Expect(a.queue.push(s)).To(BeTrue())
		w.step()
		w.step()
		if pausedAt >= 0 {
			a.resume(pausedUser)
			w.step()
		}
		g.Expect(seen).To(HaveLen(20))
		g.Expect(w.recs[10]).NotTo(BeIdenticalTo(recs[10]), "the fetch was let go")
		refused, seen = 3, nil
		for i, promise := range h.promises {
			var err error
			if int64(i) == refused {
				err = errAnswerLate
			}
			promise(&kgo.Record{}, err)
		}
		for len(seen) < 17 {
			w.step()
		}
		g.Expect(seen[0]).To(Equal("3"))
		g.Expect(seen[16]).To(Equal("19"))
	}
}

// What is asked for of the record before the one that failed is its offset.
func TestRecordBeforeTheOneThatFailsIsKnownWhenTheFetchGoes(t *testing.T) {
	g := NewWithT(t)
	a := drawn(t, hotPaths["each"])
	w := newWorker(a)
	var recs []*kgo.Record
	for at := range int64(10) {
		recs = append(recs, &kgo.Record{Offset: at})
	}
	s := &slab{recs: recs, body: &body{budget: a.r.budget, bytes: 1 << 20}}
	s.body.slabs.Store(2)
	w.recs, w.held, w.i, w.base, w.seg = recs, []*slab{s}, 5, 5, 5
	w.unpin()
	g.Expect(w.behind(w.i)).To(Equal(position{5, 0}))
	w.publish(true)
}
