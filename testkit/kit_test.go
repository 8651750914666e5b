package testkit_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

type order struct {
	ID  string `json:"id"`
	SKU string `json:"sku"`
}

type priced struct {
	ID    string `json:"id"`
	Cents int    `json:"cents"`
}

var ordersPriced = responder.JSONTopic[priced]("orders.priced")

var (
	errBusy       = errors.New("price service is busy")
	errUnknownSKU = errors.New("unknown SKU")
)

// pricer is what a user would write. It is busy as often as it is told.
type pricer struct {
	mu    sync.Mutex // partitions are handled at the same time
	busy  int
	slow  time.Duration
	calls int
}

func (p *pricer) price(ctx context.Context, w *responder.Writer, m *consumer.Typed[order]) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.slow > 0 {
		select {
		case <-time.After(p.slow):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	switch {
	case m.Payload.SKU != "TEA":
		return consumer.Skip(errUnknownSKU)
	case p.busy > 0:
		p.busy--
		return errBusy
	default:
		return ordersPriced.Send(w, m.Key, priced{ID: m.Payload.ID, Cents: 640})
	}
}

func (p *pricer) routes(r *router.Router) {
	r.Group("pricing", func(g *router.Group) {
		g.Topic("orders.created").
			Each(responder.JSON(p.price, ordersPriced.Required())).
			OnFailure(router.Retry(3, 100*time.Millisecond), router.Block)
	})
}

func tea(id string) *testkit.Message { return testkit.JSON(order{ID: id, SKU: "TEA"}).Key(id) }

func TestKitHandlesAndResponds(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	k := testkit.New(t, (&pricer{}).routes)
	one := k.Deliver("orders.created", tea("1"))
	g.Expect(one).To(testkit.HaveHandled(1))
	g.Expect(one).To(testkit.HaveMarked())
	g.Expect(one).NotTo(testkit.HaveCommitted(), "time stands still")
	g.Expect(one).To(testkit.HaveResponded(ordersPriced, priced{ID: "1", Cents: 640}))
	g.Expect(one.Outputs("orders.priced")).To(HaveLen(1))
	g.Expect(string(one.Outputs("orders.priced")[0].Key)).To(Equal("1"))
	k.Settle()
	g.Expect(one).To(testkit.HaveCommitted())
	g.Expect(k.Committed("pricing", "orders.created", 0)).To(BeEquivalentTo(1))

	other := k.Deliver("orders.created", testkit.JSON(order{ID: "2", SKU: "GOLD"}))
	g.Expect(other).To(testkit.HaveSkipped())
	g.Expect(other).To(testkit.HaveFailed(errUnknownSKU))
	g.Expect(other).NotTo(testkit.HaveResponded(ordersPriced))
	g.Expect(k.Outputs("orders.priced")).To(HaveLen(1))
	g.Expect(k.Stop()).To(Succeed())
	g.Expect(testkit.Events[callbacks.Stopped](k)).To(Equal([]callbacks.Stopped{{Group: "pricing", Clean: true}}))
}

func TestKitRetriesInVirtualTime(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	k := testkit.New(t, (&pricer{busy: 2}).routes)
	began := k.Now()
	one := k.Deliver("orders.created", tea("1"))
	g.Expect(one).To(testkit.HaveRetried(1), "it is about to be")
	g.Expect(one).To(testkit.HaveFailed(errBusy))
	g.Expect(one).NotTo(testkit.HaveMarked())
	k.Advance(99 * time.Millisecond)
	g.Expect(testkit.Events[callbacks.Failed](k)).To(HaveLen(1), "never early")
	k.Advance(time.Millisecond)
	g.Expect(testkit.Events[callbacks.Failed](k)).To(HaveLen(2))
	k.Advance(200 * time.Millisecond)
	g.Expect(one).To(testkit.HaveHandled(1))
	g.Expect(one).To(testkit.HaveRetried(2))
	g.Expect(one).To(testkit.HaveMarked())
	g.Expect(k.Now().Sub(began)).To(Equal(300 * time.Millisecond))
}

func TestKitBlocks(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	p := &pricer{busy: 1000}
	k := testkit.New(t, p.routes)
	ds := k.DeliverAll("orders.created", tea("1"), tea("2"))
	k.Settle()
	g.Expect(ds[0]).To(testkit.HaveBlocked())
	g.Expect(ds[1]).To(testkit.HaveHandled(0), "it waits behind the first")
	p.busy = 0
	k.Advance(time.Minute)
	g.Expect(ds[0]).To(testkit.HaveHandled(1))
	g.Expect(ds[0]).NotTo(testkit.HaveBlocked())
	g.Expect(ds[1]).To(testkit.HaveMarked())
}

func TestKitTakesPartitionsAwayAndGivesThemBack(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	p := &pricer{slow: time.Minute}
	k := testkit.New(t, p.routes, testkit.Partitions("orders.created", 2))
	one := k.Deliver("orders.created", tea("1").On(1))
	k.Revoke("orders.created", 1)
	g.Expect(testkit.Events[callbacks.Revoked](k)).To(BeEmpty(), "it drains")
	k.Advance(30 * time.Second) // group.drain
	g.Expect(testkit.Events[callbacks.Revoked](k)).To(HaveLen(1))
	g.Expect(one).NotTo(testkit.HaveMarked())
	g.Expect(one).To(testkit.HaveHandled(0))
	p.slow = 0
	k.Assign("orders.created", 1)
	g.Expect(one).To(testkit.HaveHandled(1))
	g.Expect(one).To(testkit.HaveMarked())
	g.Expect(p.calls).To(Equal(2))
}

func TestKitLosesPartitions(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var kept *consumer.Message
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				kept = m
				return nil
			})).ManualOffsets()
		})
	})
	one := k.Deliver("a", testkit.Text("x"))
	g.Expect(one).To(testkit.HaveHandled(1))
	g.Expect(one).NotTo(testkit.HaveMarked())
	k.Lose("a")
	var late error
	k.Do(func() { late = kept.Mark() })
	g.Expect(late).To(MatchError(offsets.ErrRevoked))
	k.Assign("a")
	g.Expect(one).To(testkit.HaveHandled(2), "it was not marked")
	k.Do(func() { late = kept.MarkThrough() })
	g.Expect(late).NotTo(HaveOccurred())
	g.Expect(one).To(testkit.HaveMarked())
	k.Settle()
	g.Expect(one).To(testkit.HaveCommitted())
}

func TestKitInsideABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		release := make(chan struct{})
		k := testkit.New(t, func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("a").Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error {
					<-release
					return nil
				}))
			})
		})
		one := k.Deliver("a", testkit.Text("x"))
		g.Expect(one).NotTo(testkit.HaveMarked())
		close(release)
		synctest.Wait()
		g.Expect(one).To(testkit.HaveMarked())
	})
}

func TestKitDeliversAThousand(t *testing.T) {
	t.Parallel()
	k := testkit.New(t, (&pricer{}).routes)
	for i := range 1000 {
		id := strconv.Itoa(i)
		testkit.Check(t, k.Deliver("orders.created", tea(id)), testkit.HaveMarked(), testkit.HaveResponded(ordersPriced, priced{id, 640}))
	}
}
