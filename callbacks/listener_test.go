package callbacks_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
)

var _ = Describe("On", func() {
	It("listens to one kind of event", func() {
		var seen []callbacks.Event
		l := callbacks.On(func(_ context.Context, e callbacks.Skipped) { seen = append(seen, e) })
		l.OnEvent(context.Background(), callbacks.Polled{})
		l.OnEvent(context.Background(), callbacks.Skipped{Offset: 3})
		Expect(seen).To(Equal([]callbacks.Event{callbacks.Skipped{Offset: 3}}))
	})
	It("hands over its context", func(ctx SpecContext) {
		called := false
		callbacks.On(func(got context.Context, _ callbacks.Dropped) {
			Expect(got).To(BeIdenticalTo(ctx))
			called = true
		}).OnEvent(ctx, callbacks.Dropped{})
		Expect(called).To(BeTrue())
	})

	It("does not take an event for another that embeds the same", func() {
		l := callbacks.On(func(context.Context, callbacks.Paused) { Fail("called") })
		l.OnEvent(context.Background(), callbacks.Resumed{Reason: callbacks.PausedUser})
		l.OnEvent(context.Background(), nil)
	})

	It("of Event listens to all, in order", func() {
		var seen []callbacks.Event
		all := []callbacks.Event{
			callbacks.Started{},
			callbacks.Joined{},
			callbacks.Assigned{},
			callbacks.Positioned{},
			callbacks.Revoked{},
			callbacks.Polled{},
			callbacks.Fetched{},
			callbacks.Handled{},
			callbacks.Failed{},
			callbacks.Retried{},
			callbacks.Blocked{},
			callbacks.Skipped{},
			callbacks.Produced{},
			callbacks.ProduceFailed{},
			callbacks.Committed{},
			callbacks.CommitFailed{},
			callbacks.Paused{},
			callbacks.Resumed{},
			callbacks.FetchFailed{},
			callbacks.Gap{},
			callbacks.Stale{},
			callbacks.Unassigned{},
			callbacks.TopicMissing{},
			callbacks.HookFailed{},
			callbacks.Dropped{},
			callbacks.Stopping{},
			callbacks.Stopped{},
		}
		l := callbacks.On(func(_ context.Context, e callbacks.Event) { seen = append(seen, e) })
		for _, e := range all {
			l.OnEvent(context.Background(), e)
		}
		Expect(seen).To(Equal(all))
	})
})
