package testkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/karafgo/karafgo/offsets"
)

// StoreUnderTest is an empty store with what handlers do in it.
type StoreUnderTest struct {
	offsets.Store

	// Write writes a row in the unit of work of a handler's context.
	Write func(ctx context.Context, row string) error
	// Rows returns the rows that are committed, in any order.
	Rows func(ctx context.Context) ([]string, error)
}

// CheckStore runs the suite that every [offsets.Store] must pass. open returns a new empty store for each of its tests.
func CheckStore(t *testing.T, open func(t *testing.T) StoreUnderTest) {
	t.Helper()
	for name, check := range map[string]func(c *storeCheck){
		"begins without a position":               (*storeCheck).empty,
		"commits rows and position together":      (*storeCheck).commits,
		"rolls both back":                         (*storeCheck).rollsBack,
		"rolls back what outlives its context":    (*storeCheck).ends,
		"moves without rows":                      (*storeCheck).moves,
		"keeps partitions apart":                  (*storeCheck).apart,
		"refuses a stale owner":                   (*storeCheck).fences,
		"renews a claim":                          (*storeCheck).renews,
		"refuses to renew a claim that was taken": (*storeCheck).renewsNoOther,
		"counts once under quarrelling owners":    (*storeCheck).quarrel,
		"lets units of other partitions run":      (*storeCheck).sideBySide,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			check(&storeCheck{StoreUnderTest: open(t), t: t, ctx: ctx, p: offsets.Partition{Group: "g", Topic: "t", ID: 3}})
		})
	}
}

type storeCheck struct {
	StoreUnderTest

	t   *testing.T
	ctx context.Context //nolint:containedctx // of one test
	p   offsets.Partition
}

func (c *storeCheck) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *storeCheck) fenced(what string, err error) {
	c.t.Helper()
	if !errors.Is(err, offsets.ErrFenced) {
		c.t.Errorf("%s returned %v, want offsets.ErrFenced", what, err)
	}
}

func (c *storeCheck) claim(p offsets.Partition) (offsets.Claim, offsets.Position) {
	c.t.Helper()
	claim, at, err := c.Claim(c.ctx, p)
	c.must(err)
	return claim, at
}

func at(offset int64) offsets.Position {
	return offsets.Position{Offset: offset, Epoch: 7, Metadata: "karafgo/1 ü"}
}

// has checks what another owner would find.
func (c *storeCheck) has(want offsets.Position, rows ...string) {
	c.t.Helper()
	if _, is := c.claim(c.p); is != want {
		c.t.Errorf("the position is %+v, want %+v", is, want)
	}
	c.hasRows(rows...)
}

func (c *storeCheck) hasRows(want ...string) {
	c.t.Helper()
	rows, err := c.Rows(c.ctx)
	c.must(err)
	slices.Sort(rows)
	if !slices.Equal(rows, want) {
		c.t.Errorf("the rows are %q, want %q", rows, want)
	}
}

// begin begins a unit in which rows are written.
func (c *storeCheck) begin(claim offsets.Claim, rows ...string) offsets.Unit {
	c.t.Helper()
	unit, err := claim.Begin(c.ctx)
	c.must(err)
	for _, row := range rows {
		c.must(c.Write(unit.Context(c.ctx), row))
	}
	return unit
}

func (c *storeCheck) empty() { c.has(offsets.None()) }

func (c *storeCheck) commits() {
	claim, _ := c.claim(c.p)
	c.must(c.begin(claim, "a", "b").Commit(c.ctx, at(5)))
	c.must(c.begin(claim, "c").Commit(c.ctx, at(6)))
	c.has(at(6), "a", "b", "c")
}

func (c *storeCheck) rollsBack() {
	claim, _ := c.claim(c.p)
	c.must(c.begin(claim, "a").Commit(c.ctx, at(5)))
	c.begin(claim, "b").Rollback()
	c.has(at(5), "a")
}

func (c *storeCheck) ends() {
	claim, _ := c.claim(c.p)
	life, end := context.WithCancel(c.ctx)
	unit, err := claim.Begin(life)
	c.must(err)
	c.must(c.Write(unit.Context(c.ctx), "a"))
	end()
	if err := unit.Commit(c.ctx, at(5)); err == nil {
		c.t.Error("a unit was committed after its context had ended")
	}
	c.must(c.begin(claim, "b").Commit(c.ctx, at(1)))
	c.has(at(1), "b")
}

func (c *storeCheck) moves() {
	claim, _ := c.claim(c.p)
	c.must(claim.Move(c.ctx, at(5)))
	c.must(claim.Move(c.ctx, at(2)))
	c.has(at(2))
}

func (c *storeCheck) apart() {
	claim, _ := c.claim(c.p)
	c.must(claim.Move(c.ctx, at(5)))
	for _, other := range []offsets.Partition{
		{Group: "h", Topic: c.p.Topic, ID: c.p.ID}, {Group: c.p.Group, Topic: "u", ID: c.p.ID}, {Group: c.p.Group, Topic: c.p.Topic, ID: 4},
	} {
		if _, is := c.claim(other); is != offsets.None() {
			c.t.Errorf("the position of %+v is %+v, want none", other, is)
		}
	}
	c.must(c.begin(claim, "a").Commit(c.ctx, at(6)))
	c.has(at(6), "a")
}

func (c *storeCheck) fences() {
	stale, _ := c.claim(c.p)
	c.must(stale.Move(c.ctx, at(1)))
	owner, is := c.claim(c.p)
	if is != at(1) {
		c.t.Errorf("the position is %+v, want %+v", is, at(1))
	}
	unit, err := stale.Begin(c.ctx) // may refuse already
	if err == nil {
		c.must(c.Write(unit.Context(c.ctx), "stale"))
		err = unit.Commit(c.ctx, at(2))
	}
	c.fenced("a stale owner's Commit", err)
	c.fenced("a stale owner's Move", stale.Move(c.ctx, at(3)))
	c.must(c.begin(owner, "a").Commit(c.ctx, at(4)))
	c.has(at(4), "a")
}

func (c *storeCheck) renews() {
	first, _ := c.claim(c.p)
	c.must(c.begin(first, "a").Commit(c.ctx, at(1)))
	_, is, err := first.Renew(c.ctx) // whose answer is lost
	c.must(err)
	second, is2, err := first.Renew(c.ctx)
	c.must(err)
	if is != at(1) || is2 != at(1) {
		c.t.Errorf("the positions are %+v and %+v, want %+v", is, is2, at(1))
	}
	c.fenced("Move of a claim that was renewed", first.Move(c.ctx, at(9)))
	c.must(c.begin(second, "b").Commit(c.ctx, at(2)))
	third, is, err := second.Renew(c.ctx)
	c.must(err)
	if is != at(2) {
		c.t.Errorf("the position is %+v, want %+v", is, at(2))
	}
	c.must(third.Move(c.ctx, at(3)))
	c.has(at(3), "a", "b")
}

func (c *storeCheck) renewsNoOther() {
	stale, _ := c.claim(c.p)
	owner, _ := c.claim(c.p)
	_, _, err := stale.Renew(c.ctx)
	c.fenced("a stale owner's Renew", err)
	c.must(c.begin(owner, "a").Commit(c.ctx, at(1)))
	c.has(at(1), "a")
}

// quarrel lets owners take a partition away from each other all the time: every offset must be counted once.
func (c *storeCheck) quarrel() {
	const most, owners = 60, 3
	var all sync.WaitGroup
	failures := make(chan error, owners)
	for range owners {
		all.Go(func() { failures <- c.own(most) })
	}
	all.Wait()
	for range owners {
		c.must(<-failures)
	}
	want := make([]string, most)
	for i := range want {
		want[i] = fmt.Sprintf("%03d", i)
	}
	c.hasRows(want...)
}

func (c *storeCheck) own(most int64) error {
	for {
		claim, is, err := c.Claim(c.ctx, c.p)
		if err != nil {
			return err
		}
		for next, n := max(is.Offset, 0), 0; n < 5; next, n = next+1, n+1 {
			if next >= most {
				return nil
			}
			if c.count(claim, next) != nil { // fenced, or nobody knows: the next claim tells
				break
			}
		}
	}
}

func (c *storeCheck) count(claim offsets.Claim, n int64) error {
	unit, err := claim.Begin(c.ctx)
	if err != nil {
		return err
	}
	if err := c.Write(unit.Context(c.ctx), fmt.Sprintf("%03d", n)); err != nil {
		unit.Rollback()
		return err
	}
	return unit.Commit(c.ctx, at(n+1))
}

// sideBySide lets each partition have its owner.
func (c *storeCheck) sideBySide() {
	const partitions, records = 4, 15
	var all sync.WaitGroup
	failures := make(chan error, partitions)
	for id := range int32(partitions) {
		all.Go(func() {
			claim, _, err := c.Claim(c.ctx, offsets.Partition{Group: "g", Topic: "t", ID: id})
			for n := int64(0); n < records && err == nil; n++ {
				err = c.count(claim, n+int64(id)*records)
			}
			failures <- err
		})
	}
	all.Wait()
	for range partitions {
		c.must(<-failures)
	}
	want := make([]string, partitions*records)
	for i := range want {
		want[i] = fmt.Sprintf("%03d", i)
	}
	c.hasRows(want...)
}
