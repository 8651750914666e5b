package responder

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/room"
)

// Whoever waits has waited for all that had begun before, and nobody waits for ever.
func TestPendingWaitsForAllThatBeganBefore(t *testing.T) {
	g := NewWithT(t)
	const senders, records = 8, 2_000
	var p pending
	var ended [senders]atomic.Int64
	ends := make(chan func(), senders)
	var sending, ending sync.WaitGroup
	ending.Go(func() {
		for end := range ends {
			end()
		}
	})
	for s := range senders {
		sending.Go(func() {
			for n := range records {
				gen := p.begin()
				ends <- func() {
					ended[s].Store(int64(n + 1))
					p.end(gen)
				}
				if n%100 != 0 {
					continue
				}
				if err := p.wait(t.Context()); err != nil || ended[s].Load() != int64(n+1) {
					t.Errorf("waited for %d of %d: %v", ended[s].Load(), n+1, err)
				}
			}
		})
	}
	sending.Wait()
	g.Expect(p.wait(t.Context())).To(Succeed())
	close(ends)
	ending.Wait()
	g.Expect(p.count()).To(BeZero())
	g.Expect(p.waited).To(BeEmpty())
}

// atOnce answers before Produce returns.
type atOnce struct{}

func (atOnce) Produce(_ context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	promise(r, nil)
}

func (atOnce) TryProduce(_ context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	promise(r, nil)
}

func (atOnce) Flush(context.Context) error { return nil }

// A record that is sent is one piece, and what the client calls back another.
func TestAllocationsOfARecordThatIsSent(t *testing.T) {
	g := NewWithT(t)
	p := NewProducer(atOnce{}, Observe(func(Outcome) {}))
	r := NewRecord("t", nil, []byte("1"))
	ctx, end := context.WithCancel(t.Context())
	defer end()
	g.Expect(testing.AllocsPerRun(100, func() { p.SendAsync(ctx, r) })).To(BeNumerically("<=", 4)) // and two for the run, which has one record here
}

// The context of whoever sent a record has mostly ended when its time is over: that is not why it failed.
func TestReasonOfARecordThatTookTooLong(t *testing.T) {
	g := NewWithT(t)
	ctx, end := context.WithCancel(t.Context())
	late, over := context.WithCancelCause(t.Context())
	c := room.Context{Context: ctx, Then: late}
	c.Leave()
	end()
	over(kgo.ErrRecordTimeout)
	g.Expect(reason(&c, c.Err())).To(MatchError(kgo.ErrRecordTimeout))
}
