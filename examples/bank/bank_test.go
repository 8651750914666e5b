package main

import (
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// message is a transaction of Ada's, as it is sent.
func message(id string, cents int) *testkit.Message {
	return testkit.JSON(Transaction{Account: "ada", Cents: cents}).Key("ada").Header(messageID, id)
}

func TestACopyOfTheProducer(t *testing.T) {
	for name, c := range map[string]struct {
		routes func(*tables) router.Drawer
		want   balance
	}{
		dedupe: {func(t *tables) router.Drawer { return Deduped(t.ids) }, balance{cents: 12, bookings: 2}},
		stored: {func(t *tables) router.Drawer { return Stored(t.store) }, balance{cents: 17, bookings: 3}},
		both:   {func(t *tables) router.Drawer { return Both(t.store, t.ids) }, balance{cents: 12, bookings: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in, err := open(t.Context(), "sqlite", "file:"+filepath.Join(t.TempDir(), "bank.db"))
			g.Expect(err).NotTo(HaveOccurred())
			defer in.close()
			k := testkit.New(t, c.routes(in))
			for _, d := range k.DeliverAll(transactions, message("1", 5), message("2", 7), message("1", 5)) {
				testkit.Check(t, d, testkit.HaveHandled(1), testkit.HaveMarked())
			}
			g.Expect(in.balances(t.Context())).To(Equal(map[string]balance{"ada": c.want}))
		})
	}
}

// The checker sees what is wrong.
func TestBooksThatAreWrong(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var r result
	r.compare(map[string]balance{"ada": {5, 1}, "bob": {7, 1}}, map[string]balance{"ada": {10, 2}, "eve": {1, 1}})
	g.Expect(r.wrong).To(Equal([]string{
		"ada has 10 cents by 2 bookings, want 5 by 1", "bob has 0 cents by 0 bookings, want 7 by 1", "eve has 1 cents by 1 bookings, want 0 by 0",
	}))
	s := summary{}
	s.add(&r)
	g.Expect(s.BooksRight).To(BeFalse())
}
