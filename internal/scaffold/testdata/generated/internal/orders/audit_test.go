package orders

import (
	"context"
	"errors"
	"testing"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

func TestAuditHandsOnRecordsAndErrors(t *testing.T) {
	bad := errors.New("bad record")
	k := testkit.New(t, func(r *router.Router) {
		r.Group("test", func(g *router.Group) {
			g.Topic("test").
				Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
					if string(m.Value) == "bad" {
						return bad
					}
					return nil
				})).
				OnFailure(router.Skip)
		})
	}, testkit.Use(Audit()))
	testkit.Check(t, k.Deliver("test", testkit.Text("good")), testkit.HaveHandled(1), testkit.HaveMarked())
	testkit.Check(t, k.Deliver("test", testkit.Text("bad")), testkit.HaveFailed(bad), testkit.HaveSkipped())
}
