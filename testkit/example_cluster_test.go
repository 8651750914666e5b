package testkit_test

import (
	"context"
	"testing"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

func routesOfClicks(r *router.Router) {
	r.Group("clicks", func(g *router.Group) {
		g.Topic("clicks").Each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return nil }))
	})
}

// In a package of yours it is TestClicks.
func testClicks(t *testing.T) {
	b := testkit.Cluster(t, testkit.Partitions("clicks", 4))
	first := b.Run(routesOfClicks)
	second := b.Run(routesOfClicks) // a second member of the group
	click := b.Produce("clicks", testkit.Text("1").Key("ada"))
	b.AwaitMarked(click)
	for _, member := range []*testkit.Member{first, second} {
		if err := member.Stop(); err != nil {
			t.Error(err)
		}
	}
	testkit.Check(t, click, testkit.HaveHandled(1), testkit.HaveCommitted())
}

// A program's consumer groups on the embedded broker, or on the cluster that KARAFGO_TEST_BROKERS names.
func ExampleCluster() {
	goTest(testClicks)
	// Output:
}
