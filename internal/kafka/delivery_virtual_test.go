package kafka

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/room"
)

// A record that may wait for room without end is under way for no longer than others.
func TestDeliveryTimeoutDoesNotNeedAContextThatEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		d := newDelivery(time.Minute)
		defer d.close()
		for name, ctx := range map[string]context.Context{"never ends": context.WithoutCancel(t.Context()), "may end": t.Context()} {
			contexts := make(chan context.Context, 1)
			d.produce(ctx, func(ctx context.Context, _ *kgo.Record, _ func(*kgo.Record, error)) { contexts <- ctx }, &kgo.Record{}, nil)
			sent := <-contexts
			time.Sleep(time.Minute)
			g.Expect(sent.Err()).To(Succeed(), name)
			time.Sleep(time.Minute / sharedBy)
			synctest.Wait()
			g.Expect(sent.Done()).To(BeClosed(), name)
			g.Expect(sent.Err()).To(MatchError(kgo.ErrRecordTimeout), name)
		}
	})
}

// Who had no need to wait is told so: its context costs nothing further.
func TestNobodyWaitsForAContextThatIsNotAsked(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	d := newDelivery(time.Minute)
	defer d.close()
	wait := &room.Context{Context: t.Context()}
	d.produce(wait, func(context.Context, *kgo.Record, func(*kgo.Record, error)) {}, &kgo.Record{}, nil)
	g.Expect(wait.Leave()).To(BeFalse())

	wait = &room.Context{Context: t.Context()}
	d.produce(wait, func(ctx context.Context, _ *kgo.Record, _ func(*kgo.Record, error)) { ctx.Done() }, &kgo.Record{}, nil)
	g.Expect(wait.Leave()).To(BeTrue())
}
