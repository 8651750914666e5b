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
})
