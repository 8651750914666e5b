package engine

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/offsets"
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

func TestPipelineAsksForRoomOnceForManyOutputs(t *testing.T) {
	g := NewWithT(t)
	c := &crowd{}
	a := drawn(t, hotPaths["respond"])
	a.r.e.producer = c
	p := newPipeline(a)
	d, at := &delivery{a: a, attempt: 1}, int64(0)
	send := func(n int) {
		for range n {
			p.send(d, &kgo.Record{Offset: at}, &kgo.Record{})
			at++
		}
	}

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
	send(3)
	g.Expect(c.asked).To(Equal(2), "what was said before all were answered is old")
	g.Expect(c.bounded).To(HaveEach(false))
	c.room = 0
	c.answer()
	send(1)
	g.Expect(c.bounded).To(HaveEach(true))
}

func TestPipelineThatWaitedForRoomGoesOnWhenHalfIsAnswered(t *testing.T) {
	g := NewWithT(t)
	c := &crowd{}
	a := drawn(t, hotPaths["respond"])
	a.r.e.producer = c
	p := newPipeline(a)
	d, at := &delivery{a: a, attempt: 1}, int64(0)
	send := func() {
		p.send(d, &kgo.Record{Offset: at}, &kgo.Record{})
		at++
	}
	for range 99 {
		send()
	}
	c.full = true
	sent := make(chan struct{})
	go func() {
		send()
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
	send()
	g.Expect(c.bounded[100]).To(BeFalse(), "it asks anew")

	c.answer()
	c.room = 0
	for range blockRooms - 1 {
		send() // there are too few to wait for
	}
	go func() {
		send()
		send()
	}()
	a.cancel(offsets.ErrRevoked)
	g.Eventually(func() int64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return int64(p.pending)
	}).Should(BeEquivalentTo(blockRooms+1), "it does not outlive its assignment")
}
