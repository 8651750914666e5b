package offsets_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/testkit"
)

// A mark for a partition that was taken away says so, and moves nobody's offset.
func Example_revoked() {
	d := testkit.NewDouble().FailMarks(offsets.ErrRevoked) // the engine does this
	err := d.Message("orders", 7, testkit.Text("tea")).MarkThrough()
	fmt.Println(errors.Is(err, offsets.ErrRevoked), len(d.Marks()))
	// Output: true 0
}

// What the engine does with a store, for every record of a route with ExternalOffsets.
func ExampleStore() {
	var store offsets.Store = testkit.NewStore() // a program has sqlstore.New(db)
	ctx, p := context.Background(), offsets.Partition{Group: "bank", Topic: "transfers", ID: 0}

	claim, at, err := store.Claim(ctx, p)
	fmt.Println("nothing stored yet:", at == offsets.None(), err)

	unit, err := claim.Begin(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	// The handler writes, with unit.Context(ctx).
	fmt.Println("committed:", unit.Commit(ctx, offsets.Position{Offset: 8}))

	_, at, err = store.Claim(ctx, p) // somebody else, after a rebalance
	fmt.Println("goes on at", at.Offset, err)

	unit, err = claim.Begin(ctx) // the owner before believes that it still is
	if err == nil {
		err = unit.Commit(ctx, offsets.Position{Offset: 9})
	}
	fmt.Println("refused:", errors.Is(err, offsets.ErrFenced))
	// Output:
	// nothing stored yet: true <nil>
	// committed: <nil>
	// goes on at 8 <nil>
	// refused: true
}

// Who moves the offset of a route.
func ExampleMode() {
	for _, m := range []offsets.Mode{offsets.Automatic, offsets.Manual, offsets.AtMostOnce, offsets.ExactlyOnce, offsets.External} {
		fmt.Println(m)
	}
	// Output:
	// automatic
	// manual
	// at most once
	// exactly once
	// external
}
