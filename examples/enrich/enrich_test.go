package main

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/fx/fxtest"

	"github.com/karafgo/karafgo/testkit"
)

// app is all of the example's routes.
func app(t *testing.T) (*testkit.Kit, *Enricher, *Board) {
	t.Helper()
	table, board := NewTable(), NewBoard()
	e := NewEnricher(table)
	return testkit.New(t, Routes("test", table, e, board)), e, board
}

var ada = Profile{Name: "Ada", Country: "GB"}

func profile(user string, p Profile) *testkit.Message { return testkit.JSON(p).Key(user) }

func viewed(user string, n int, page string) *testkit.Message {
	return testkit.JSON(View{ID: user, User: user, Number: n, Page: page}).Key(user).Header("correlation-id", "c-"+user).Header("own", "x")
}

func TestRoutesAreThese(t *testing.T) {
	table := NewTable()
	testkit.GoldenRoutes(t, "testdata/routes.golden", Routes("test", table, NewEnricher(table), NewBoard()))
}

func TestAViewGetsTheProfileAndTheHeaders(t *testing.T) {
	k, _, board := app(t)
	k.Deliver(Profiles.Name(), profile("ada", ada))
	v := k.Deliver(Views.Name(), viewed("ada", 0, "/tea"))
	testkit.Check(t, v, testkit.HaveHandled(1), testkit.HaveMarked(),
		testkit.HaveResponded(Enriched, EnrichedView{View{ID: "ada", User: "ada", Page: "/tea"}, &ada}))
	g := NewWithT(t)
	correlation := kgo.RecordHeader{Key: "correlation-id", Value: []byte("c-ada")}
	out := v.Outputs(Enriched.Name())[0]
	g.Expect(out.Headers).To(ConsistOf(correlation))
	g.Expect(out.Key).To(Equal([]byte("ada")))
	g.Expect(v.Outputs(Unknown.Name())).To(BeEmpty())

	k.Advance(100 * time.Millisecond) // the batch waits for more
	counted := k.Outputs(Counted.Name())
	g.Expect(counted).To(ConsistOf(HaveField("Value", MatchJSON(`{"page": "/tea", "views": 1, "countries": {"GB": 1}}`))))
	g.Expect(counted[0].Headers).To(ConsistOf(correlation))
	g.Expect(board.counted()).To(Equal(map[string]int{"/tea": 1}))
}

func TestAUserWithoutAProfileIsLookedForAgain(t *testing.T) {
	k, _, _ := app(t)
	late, never := k.Deliver(Views.Name(), viewed("ada", 0, "/")), k.Deliver(Views.Name(), viewed("bob", 0, "/"))
	testkit.Check(t, late, testkit.HaveFailed(errNoProfile), testkit.HaveHandled(0))
	k.Deliver(Profiles.Name(), profile("ada", ada))
	k.Advance(looks * pause)
	testkit.Check(t, late, testkit.HaveHandled(1), testkit.HaveResponded(Enriched, EnrichedView{View{ID: "ada", User: "ada", Page: "/"}, &ada}))
	bob := View{ID: "bob", User: "bob", Page: "/"}
	testkit.Check(t, never, testkit.HaveRetried(looks-1), testkit.HaveHandled(1),
		testkit.HaveResponded(Unknown, bob), testkit.HaveResponded(Enriched, EnrichedView{View: bob}))
}

func TestATombstoneDeletesTheProfile(t *testing.T) {
	k, e, _ := app(t)
	k.Deliver(Profiles.Name(), profile("ada", ada))
	testkit.Check(t, k.Deliver(Profiles.Name(), testkit.Tombstone().Key("ada")), testkit.HaveHandled(1))
	v := k.Deliver(Views.Name(), viewed("ada", 1, "/"))
	k.Settle()
	testkit.Check(t, v, testkit.HaveResponded(Unknown))
	NewWithT(t).Expect(e.counted()).To(Equal(Statistic{Enriched: 1, Unknown: 1}))
}

func TestViewsOfAUserStayInOrder(t *testing.T) {
	k, _, _ := app(t)
	k.Deliver(Profiles.Name(), profile("bob", ada))
	var late []*testkit.Delivery
	for n := range 3 {
		late = append(late, k.Deliver(Views.Name(), viewed("ada", n, "/")))
	}
	testkit.Check(t, k.Deliver(Views.Name(), viewed("bob", 0, "/")), testkit.HaveHandled(1)) // he waits for nobody
	k.Settle()
	testkit.Check(t, late[2], testkit.HaveHandled(1))
	last := -1
	for _, out := range k.Outputs(Enriched.Name()) {
		var v EnrichedView
		if err := json.Unmarshal(out.Value, &v); err != nil {
			t.Fatal(err)
		}
		if v.User == "ada" && v.Number != last+1 {
			t.Errorf("%d comes after %d", v.Number, last)
		} else if v.User == "ada" {
			last = v.Number
		}
	}
	NewWithT(t).Expect(last).To(Equal(2))
}

// A page whose count is refused is not on the board, and the batch comes again.
func TestTheBoardShowsWhatTheBrokerHas(t *testing.T) {
	k, _, board := app(t)
	k.FailOutputs(Counted.Name(), 1, errNoProfile)
	k.Deliver(Profiles.Name(), profile("ada", ada))
	k.Deliver(Views.Name(), viewed("ada", 0, "/"))
	k.Advance(100 * time.Millisecond)
	g := NewWithT(t)
	g.Expect(board.counted()).To(BeEmpty())
	k.Settle()
	g.Expect(board.counted()).To(Equal(map[string]int{"/": 1}))
}

// What the program sends by itself is buffered, and nothing of it is left behind.
func TestTheReporterSendsALastStatistic(t *testing.T) {
	p, sent := testkit.NewProducer()
	lc := fxtest.NewLifecycle(t)
	NewReporter(lc, p, NewEnricher(NewTable()))
	lc.RequireStart().RequireStop()
	g := NewWithT(t)
	g.Expect(p.Close(t.Context())).To(Succeed())
	g.Expect(sent.To(Statistics.Name())).NotTo(BeEmpty())
	g.Expect(sent.To(Statistics.Name())[0].Value).To(MatchJSON(`{"profiles": 0, "enriched": 0, "unknown": 0}`))
}
