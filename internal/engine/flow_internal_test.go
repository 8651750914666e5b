package engine

import (
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// pausing is a client that counts what is paused and resumed.
type pausing struct {
	kafka.Consumer

	paused, resumed int
}

func (p *pausing) PauseFetchPartitions(map[string][]int32) map[string][]int32 { p.paused++; return nil }
func (p *pausing) ResumeFetchPartitions(map[string][]int32)                   { p.resumed++ }

// crowded is a partition that has more queued than its share.
func crowded(t *testing.T, client *pausing) (*runner, *assignment) {
	t.Helper()
	table, err := router.Draw(func(r *router.Router) { r.Group("g", func(g *router.Group) { g.Topic("t").Each(look) }) })
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	e := New(table, Settings{Group: func(string) GroupSettings {
		return GroupSettings{MaxPollRecords: 1, QueueBytes: 1 << 30, PartitionBytes: 1 << 20, CommitInterval: time.Hour, FetchWait: time.Second}
	}})
	r := newRunner(e, table.Groups()[0])
	r.client = client
	a := newAssignment(r, r.routes["t"], kafka.TopicPartition{Topic: "t"}, 1, nil, nil)
	a.state.Store(int32(stateFetching))
	for range 11 { // ten polls are its share
		recs := []*kgo.Record{{Topic: "t"}}
		a.queue.push(&slab{recs: recs, bytes: measure(recs), body: &body{budget: r.budget}})
	}
	return r, a
}

func TestPartitionIsNotPausedWhileItsHandlerIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, client := NewWithT(t), &pausing{}
		r, a := crowded(t, client)
		go func() {
			<-time.After(hold / 2)
			a.queue.take()
			a.taken <- struct{}{}
		}()
		r.brake(a, time.Time{})
		g.Expect(client.paused).To(BeZero())
	})
}

func TestPartitionIsPausedWhenItsHandlerTakesLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, client := NewWithT(t), &pausing{}
		r, a := crowded(t, client)
		began := time.Now()
		until := r.brake(a, time.Time{})
		g.Expect(client.paused).To(Equal(1))
		g.Expect(time.Since(began)).To(Equal(hold))

		_, b := crowded(t, client) // another partition of the same fetch
		r.brake(b, until)
		g.Expect(client.paused).To(Equal(2))
		g.Expect(time.Since(began)).To(Equal(hold))
	})
}

func TestSlowHandlerIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, client := NewWithT(t), &pausing{}
		r, a := crowded(t, client)
		a.slow.Store(true)
		began := time.Now()
		r.brake(a, time.Time{})
		g.Expect(client.paused).To(Equal(1))
		g.Expect(time.Since(began)).To(BeZero())
	})
}

func TestPaceIsNotSetByOneRecordThatWaited(t *testing.T) {
	g := NewWithT(t)
	_, a := crowded(t, &pausing{})
	w := newWorker(a)
	for range 10 {
		w.pace(int64(5*time.Millisecond), 5000)
		w.pace(int64(20*time.Millisecond), 1) // the producer was full
		g.Expect(a.slow.Load()).To(BeFalse())
	}
	n := 0
	for ; !a.slow.Load(); n++ {
		w.pace(int64(20*time.Millisecond), 1)
	}
	g.Expect(n).To(BeNumerically("<", 10), "records until a handler that turned slow counts as slow")
	w.pace(int64(5*time.Millisecond), 5000)
	g.Expect(a.slow.Load()).To(BeFalse())
}

// Its worker would have nothing to go on with while the next is fetched.
func TestOneSlabIsNeverTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, client := NewWithT(t), &pausing{}
		r, a := crowded(t, client)
		large := &slab{recs: make([]*kgo.Record, 100), bytes: 1 << 30, body: &body{budget: r.budget}}
		for a.queue.take() != nil { //nolint:revive // it is emptied
		}
		a.queue.push(large)
		began := time.Now()
		r.brake(a, time.Time{})
		g.Expect(client.paused).To(BeZero())
		g.Expect(time.Since(began)).To(BeZero())

		a.queue.push(&slab{recs: []*kgo.Record{{}}, body: &body{budget: r.budget}})
		r.brake(a, time.Time{})
		g.Expect(client.paused).To(Equal(1))
		r.flow(a)
		g.Expect(client.resumed).To(BeZero())
		a.queue.take()
		r.flow(a)
		g.Expect(client.resumed).To(Equal(1))
	})
}
