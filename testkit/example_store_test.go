package testkit_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// In a package of yours it is TestTransferIsBookedOnce.
func testTransferIsBookedOnce(t *testing.T) {
	store := testkit.NewStore()
	store.LoseCommits(1, errors.New("connection reset")) // it is stored, and nobody is told
	k := testkit.New(t, func(r *router.Router) {
		r.Group("bank", func(g *router.Group) {
			g.Topic("transfers").Each(consumer.Value(func(ctx context.Context, cents int) error {
				return store.Write(ctx, cents)
			})).ExternalOffsets(store)
		})
	})
	k.Deliver("transfers", testkit.JSON(640))
	k.Settle()
	if rows := store.Rows(); !slices.Equal(rows, []any{640}) || store.Position("bank", "transfers", 0) != 1 {
		t.Error(rows)
	}
}

// A store of offsets in memory, for routes with ExternalOffsets.
func ExampleNewStore() {
	goTest(testTransferIsBookedOnce)
	// Output:
}
