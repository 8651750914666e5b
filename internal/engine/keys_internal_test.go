package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

func TestHeadsKeepWhatIsPutIn(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	const most = 1000
	var h heads
	var nodes []node
	model := map[uint64][]int32{}
	random := rand.New(rand.NewPCG(1, 2))
	var free []int32
	for i := range int32(most) {
		nodes = append(nodes, node{})
		free = append(free, i)
	}
	for range 200_000 {
		hash := random.Uint64N(300) << random.Uint64N(3) // some are in one chain
		have := model[hash]
		head := h.find(nodes, hash)
		if len(have) == 0 {
			g.Expect(head).To(Equal(none))
		} else {
			g.Expect(head).To(Equal(have[0]))
			g.Expect(nodes[head].tail).To(Equal(have[len(have)-1]))
		}
		switch {
		case len(have) > 0 && random.IntN(2) == 0 || len(have) > 0 && len(free) == 0:
			h.drop(nodes, head)
			free = append(free, head)
			if model[hash] = have[1:]; len(have) == 1 {
				delete(model, hash)
			}
		case len(free) > 0:
			i := free[len(free)-1]
			free = free[:len(free)-1]
			nodes[i] = node{hash: hash, behind: none}
			if head == none {
				h.add(nodes, i)
			} else {
				nodes[nodes[head].tail].behind = i
				nodes[head].tail = i
			}
			model[hash] = append(have, i)
		}
		if h.used != len(model) {
			t.Fatalf("%d used, want %d", h.used, len(model))
		}
	}
	g.Expect(len(h.chains)).To(BeNumerically("<=", 4096), "it does not grow with the number of keys that were ever there")
}

// bare makes the keys of an assignment that nobody works for.
func bare(by router.Ordering) *keys {
	e := New(&router.Table{}, Settings{Group: func(string) GroupSettings { return GroupSettings{QueueBytes: 1 << 30} }})
	r := newRunner(e, router.GroupSpec{ID: "g", BatchFetching: true})
	rt := newRoute(e, router.RouteSpec{
		Topic: "a", Mode: router.ModeEach, Concurrency: 8, Ordering: by,
		Handler: consumer.HandlerFunc(nil),
	})
	a := newAssignment(r, rt, kafka.TopicPartition{Topic: "a"}, 1, nil, nil)
	a.metadata = kafka.CommitVersion
	return newKeys(a, rt.pool, position{100, 3}, nil)
}

// TestKeysKeepTheirOrder finishes records in any order that keys allow, and compares with a model at every step: what may be committed, what
// is done above, and that a commit's metadata tells the same to the next owner.
func TestKeysKeepTheirOrder(t *testing.T) {
	t.Parallel()
	for _, by := range []router.Ordering{router.ByKey, router.Unordered} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			random := rand.New(rand.NewPCG(3, 4))
			k := bare(by)
			offset := int64(100)
			var all []int64
			done := map[int64]bool{}
			last := map[string]int64{}
			var running []int32
			for round := range 400 {
				var recs []*kgo.Record
				for range random.IntN(60) * min(1, max(0, 2000-k.open)) {
					offset += 1 + random.Int64N(2)*random.Int64N(5) // with gaps
					all = append(all, offset)
					recs = append(recs, &kgo.Record{Topic: "a", Offset: offset, LeaderEpoch: 3, Key: fmt.Appendf(nil, "k%d", random.IntN(20))})
				}
				if len(recs) > 0 {
					k.a.queue.push(&slab{recs: recs})
				}
				k.feed(1 << 20)
				for k.ready.len() > 0 && random.IntN(4) > 0 {
					i := k.ready.pop()
					k.nodes[i].state = nodeRuns
					running = append(running, i)
				}
				random.Shuffle(len(running), func(i, j int) { running[i], running[j] = running[j], running[i] })
				for len(running) > 0 && (random.IntN(3) > 0 || round == 399) {
					n := &k.nodes[running[0]]
					if by.Key() != nil {
						g.Expect(n.offset).To(BeNumerically(">", last[string(n.rec.Key)]), "key %s", n.rec.Key)
						last[string(n.rec.Key)] = n.offset
					}
					done[n.offset] = true
					k.finish(running[0])
					running = running[1:]
				}
				check(g, k, all, done)
			}
		})
	}
}

func check(g *WithT, k *keys, all []int64, done map[int64]bool) {
	want := int64(100)
	open := 0
	for _, o := range all {
		if done[o] {
			if open == 0 {
				want = o + 1
			}
			continue
		}
		open++
	}
	at, metadata := k.committable()
	g.Expect(at.offset).To(Equal(want))
	g.Expect(k.open).To(Equal(open))
	restored, err := doneIn(metadata, at)
	g.Expect(err).NotTo(HaveOccurred())
	for _, o := range all {
		if o < want {
			continue
		}
		if restored.has(o) != done[o] {
			g.Expect(restored.has(o)).To(Equal(done[o]), "offset %d: %v", o, restored)
		}
	}
	holes, before := 0, uint64(0)
	for i := k.first; i != none; i = k.nodes[i].next {
		if k.nodes[i].seq != before+1 || i == k.first {
			holes++
		}
		before = k.nodes[i].seq
	}
	g.Expect(k.holes).To(Equal(holes))
}

// keyed are records that all have keys of their own.
func keyed(from, n int64) (recs []*kgo.Record) {
	for o := range n {
		recs = append(recs, &kgo.Record{Topic: "a", Offset: from + o, Key: fmt.Appendf(nil, "k%d", from+o)})
	}
	return recs
}

func TestKeysLetGoOfAFetchWhenItsRecordsAreDone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	k := bare(router.ByKey)
	k.a.queue.push(&slab{recs: keyed(100, 10)})
	k.a.queue.push(&slab{recs: keyed(110, 10)})
	k.feed(15)
	first, second := k.lots[0], k.lots[1]
	for k.ready.len() > 0 {
		k.finish(k.ready.pop())
	}
	g.Expect(first.slab).To(BeNil())
	g.Expect(second.slab).To(BeNil())
}

func TestQuickHandlersStayWithAPartitionForATick(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	one := bare(router.ByKey)
	p := one.p
	p.limit = 1
	l := &lane{p: p, out: &outbox{}}
	p.lanes = append(p.lanes, l) // nobody else takes anything
	another := newKeys(newAssignment(one.a.r, one.a.route, kafka.TopicPartition{Topic: "a", Partition: 1}, 1, nil, nil), p, position{0, -1}, nil)
	for _, k := range []*keys{one, another} {
		k.started, k.per = true, 100
		k.a.queue.push(&slab{recs: keyed(100, 5000)})
		p.enlist(k)
	}
	now := int64(5 * tick)
	took := func() *keys {
		p.e.clock.now.Store(now)
		g.Expect(p.next(l)).To(BeTrue())
		return l.k
	}
	g.Expect(took()).To(BeIdenticalTo(one))
	now += int64(tick) - 1
	g.Expect(took()).To(BeIdenticalTo(one))
	now++
	g.Expect(took()).To(BeIdenticalTo(one), "it has been its turn for a tick")
	g.Expect(took()).To(BeIdenticalTo(another))
	now += int64(tick) / 2
	g.Expect(took()).To(BeIdenticalTo(another))
	another.per = int64(tick)
	g.Expect(took()).To(BeIdenticalTo(another), "it was in front")
	for range 3 {
		g.Expect(took()).To(BeIdenticalTo(one), "where one is slow, they take turns")
		g.Expect(took()).To(BeIdenticalTo(another), "where one is slow, they take turns")
	}
	another.per = 100
	g.Expect(took()).To(BeIdenticalTo(one), "listed while it was slow")
	g.Expect(took()).To(BeIdenticalTo(another))
	g.Expect(took()).To(BeIdenticalTo(another), "both are quick again")
}
