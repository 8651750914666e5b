package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/offsets/sqlstore"
)

// seenIn is something that remembers ids, and the effects of a handler behind it. In a database each open is a process of its own.
type seenIn struct {
	open    func(t *testing.T) middleware.Seen
	write   func(ctx context.Context, effect string) error
	effects func(ctx context.Context) ([]string, error)
	undoes  bool // what a handler that fails has written
	db      *sql.DB
}

// inMemory keeps effects in a list, from which nothing is ever taken.
func inMemory(seen middleware.Seen) func(*testing.T) seenIn {
	return func(*testing.T) seenIn {
		var mu sync.Mutex
		var all []string
		return seenIn{
			open: func(*testing.T) middleware.Seen { return seen },
			write: func(_ context.Context, effect string) error {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, effect)
				return nil
			},
			effects: func(context.Context) ([]string, error) {
				mu.Lock()
				defer mu.Unlock()
				return append([]string(nil), all...), nil
			},
		}
	}
}

type migrating interface {
	middleware.Seen
	Migrate(ctx context.Context) error
}

// inDatabase keeps effects in a table without a key, in which a second one would be seen.
func inDatabase(open func(*testing.T) *sql.DB, made func(*sql.DB) (migrating, error)) func(*testing.T) seenIn {
	return func(t *testing.T) seenIn {
		t.Helper()
		db := open(t)
		_, err := db.ExecContext(t.Context(), "CREATE TABLE results (value TEXT NOT NULL)")
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		return seenIn{
			open: func(t *testing.T) middleware.Seen {
				t.Helper()
				seen, err := made(db)
				NewWithT(t).Expect(err).NotTo(HaveOccurred())
				NewWithT(t).Expect(seen.Migrate(t.Context())).To(Succeed())
				return seen
			},
			write:   write,
			effects: func(ctx context.Context) ([]string, error) { return rows(ctx, db) },
			undoes:  true,
			db:      db,
		}
	}
}

func sqlite(t *testing.T) *sql.DB {
	t.Helper()
	return openSQLite(t, "?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)")
}

func aSet(db *sql.DB) (migrating, error)  { return sqlstore.NewSet(db) }
func aLast(db *sql.DB) (migrating, error) { return sqlstore.NewLast(db) }

func sets(t *testing.T, test func(t *testing.T, in seenIn)) {
	t.Helper()
	each(t, test, map[string]func(*testing.T) seenIn{
		"memory": inMemory(middleware.NewSet(100)), "SQLite": inDatabase(sqlite, aSet), "PostgreSQL": inDatabase(openPostgres, aSet),
	})
}

// setsAndLasts runs a test with all that there is. Ids are numbers.
func setsAndLasts(t *testing.T, test func(t *testing.T, in seenIn)) {
	t.Helper()
	sets(t, test)
	each(t, test, map[string]func(*testing.T) seenIn{
		"last in memory": inMemory(middleware.NewLast()), "last in SQLite": inDatabase(sqlite, aLast),
		"last in PostgreSQL": inDatabase(openPostgres, aLast),
	})
}

func each(t *testing.T, test func(t *testing.T, in seenIn), all map[string]func(*testing.T) seenIn) {
	t.Helper()
	for name, in := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, in(t))
		})
	}
}

// in is a partition that a batch is of.
type in struct {
	consumer.Delivery

	group string
}

func (p in) Assigned() consumer.Partition { return assigned{group: p.group} }

type assigned struct {
	consumer.Partition

	group string
}

func (a assigned) Group() string { return a.group }

// batch is a batch of records of topic t in group g, with their ids as keys.
func batch(ids ...string) *consumer.Batch { return batchOf("g", "t", ids...) }

func batchOf(group, topic string, ids ...string) *consumer.Batch {
	ms := make([]consumer.Message, len(ids))
	for i, id := range ids {
		ms[i] = consumer.NewMessage(&kgo.Record{Topic: topic, Offset: int64(i), Key: []byte(id)}, in{group: group})
	}
	return consumer.NewBatch(ms)
}

// deduped is a handler behind Dedupe that writes the id of each record, and then does what then says.
func deduped(s seenIn, seen middleware.Seen, then func(ctx context.Context, m *consumer.Message) error) consumer.BatchHandler {
	return consumer.Chain(consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
		for _, m := range b.All() {
			if err := s.write(ctx, string(m.Key)); err != nil {
				return err
			}
			if err := then(ctx, m); err != nil {
				return err
			}
		}
		return nil
	}), middleware.Dedupe(seen, func(m *consumer.Message) string { return string(m.Key) }))
}

func fine(context.Context, *consumer.Message) error { return nil }

var errBoom = errors.New("boom")

func TestDedupeHandlesEachIDOnce(t *testing.T) {
	t.Parallel()
	setsAndLasts(t, func(t *testing.T, s seenIn) {
		g := NewWithT(t)
		h := deduped(s, s.open(t), fine)
		g.Expect(h.HandleBatch(t.Context(), batch("1", "2", "1", ""))).To(Succeed())
		again := batch("2", "3", "1", "")
		g.Expect(deduped(s, s.open(t), fine).HandleBatch(t.Context(), again)).To(Succeed())
		g.Expect(again.Skipped()).To(HaveLen(2))
		g.Expect(h.HandleBatch(t.Context(), batch("3", "2"))).To(Succeed(), "nothing but copies")
		g.Expect(s.effects(t.Context())).To(ConsistOf("1", "2", "", "3", ""))
	})
}

func TestDedupeRemembersNothingThatFailed(t *testing.T) {
	t.Parallel()
	setsAndLasts(t, func(t *testing.T, s seenIn) {
		g := NewWithT(t)
		seen := s.open(t)
		fails := func(context.Context, *consumer.Message) error { return errBoom }
		panics := func(context.Context, *consumer.Message) error { panic("at the disco") }
		g.Expect(deduped(s, seen, fails).HandleBatch(t.Context(), batch("1"))).To(MatchError(errBoom))
		g.Expect(func() { _ = deduped(s, seen, panics).HandleBatch(t.Context(), batch("1")) }).To(PanicWith("at the disco"))
		g.Expect(deduped(s, seen, fine).HandleBatch(t.Context(), batch("1"))).To(Succeed())
		want := []string{"1", "1", "1"}
		if s.undoes {
			want = []string{"1"}
		}
		g.Expect(s.effects(t.Context())).To(ConsistOf(want))
	})
}

func TestDedupeOfABatchThatFailsAtOneRecordKeepsWhatCameBefore(t *testing.T) {
	t.Parallel()
	setsAndLasts(t, func(t *testing.T, s seenIn) {
		g := NewWithT(t)
		seen := s.open(t)
		g.Expect(deduped(s, seen, fine).HandleBatch(t.Context(), batch("1"))).To(Succeed())
		b := batch("1", "2", "2", "3", "4")
		var calls []string
		err := deduped(s, seen, func(_ context.Context, m *consumer.Message) error {
			calls = append(calls, string(m.Key))
			if string(m.Key) == "3" {
				return consumer.FailedAt(m, errBoom)
			}
			return nil
		}).HandleBatch(t.Context(), b)
		g.Expect(err).To(MatchError(errBoom))
		g.Expect(consumer.VerdictOf(err).At.Offset).To(BeEquivalentTo(3))
		copies := 0
		for _, m := range b.Skipped() {
			if m.Offset < 3 {
				copies++
			}
		}
		g.Expect(copies).To(Equal(2), "each is counted once")
		rest := batch("3", "4")
		g.Expect(deduped(s, seen, fine).HandleBatch(t.Context(), rest)).To(Succeed())
		if s.undoes {
			g.Expect(calls).To(Equal([]string{"2", "3", "2"}), "what came before is handed over again, alone")
			g.Expect(s.effects(t.Context())).To(ConsistOf("1", "2", "3", "4"))
		} else {
			g.Expect(calls).To(Equal([]string{"2", "3"}))
			g.Expect(s.effects(t.Context())).To(ConsistOf("1", "2", "3", "3", "4"))
		}
		g.Expect(deduped(s, seen, fine).HandleBatch(t.Context(), batch("1", "2", "3", "4"))).To(Succeed())
		g.Expect(s.effects(t.Context())).To(HaveLen(map[bool]int{true: 4, false: 5}[s.undoes]), "all are copies")
	})
}

// What came before the record that failed may fail itself when it is handed over again.
func TestDedupeOfABatchThatFailsAgainAndAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s seenIn) {
		g := NewWithT(t)
		seen := s.open(t)
		calls := 0
		h := deduped(s, seen, func(_ context.Context, m *consumer.Message) error {
			calls++
			if calls == 4 || calls == 7 { // at 3, then at 2
				return consumer.FailedAt(m, fmt.Errorf("call %d: %w", calls, errBoom))
			}
			return nil
		})
		err := h.HandleBatch(t.Context(), batch("0", "1", "2", "3"))
		g.Expect(err).To(MatchError(ContainSubstring("call 7")))
		g.Expect(consumer.VerdictOf(err).At.Offset).To(BeEquivalentTo(2))
		g.Expect(s.effects(t.Context())).To(ConsistOf("0", "1"))
		g.Expect(h.HandleBatch(t.Context(), batch("0", "1", "2", "3"))).To(Succeed())
		g.Expect(s.effects(t.Context())).To(ConsistOf("0", "1", "2", "3"))
	}, map[string]func(*testing.T) seenIn{"SQLite": inDatabase(sqlite, aSet), "PostgreSQL": inDatabase(openPostgres, aSet)})
}

func TestDedupeTellsGroupsAndTopicsApart(t *testing.T) {
	t.Parallel()
	setsAndLasts(t, func(t *testing.T, s seenIn) {
		g := NewWithT(t)
		h := deduped(s, s.open(t), fine)
		for range 2 {
			g.Expect(h.HandleBatch(t.Context(), batchOf("g", "t", "1"))).To(Succeed())
			g.Expect(h.HandleBatch(t.Context(), batchOf("other", "t", "1"))).To(Succeed())
			g.Expect(h.HandleBatch(t.Context(), batchOf("g", "other", "1"))).To(Succeed())
		}
		g.Expect(s.effects(t.Context())).To(HaveLen(3))
	})
}

func TestDedupeKnowsARetryTopicsCopies(t *testing.T) {
	t.Parallel()
	sets(t, func(t *testing.T, s seenIn) {
		g := NewWithT(t)
		h := deduped(s, s.open(t), fine)
		g.Expect(h.HandleBatch(t.Context(), batchOf("retries", "t", "1"))).To(Succeed())
		g.Expect(h.HandleBatch(t.Context(), batchOf("retries", "t.retries.retry.1m", "1", "2"))).To(Succeed())
		g.Expect(h.HandleBatch(t.Context(), batchOf("retries", "t", "2"))).To(Succeed())
		g.Expect(s.effects(t.Context())).To(ConsistOf("1", "2"))
	})
}

// Of two processes with one id, one handles it. Whether the other waits depends on when it comes.
func TestDedupeOfOneIDInTwoProcesses(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]error{"that succeeds": nil, "that fails": errBoom} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			setsAndLasts(t, func(t *testing.T, s seenIn) {
				g := NewWithT(t)
				begun, begins := make(chan struct{}), make(chan struct{})
				first := deduped(s, s.open(t), func(context.Context, *consumer.Message) error {
					close(begun)
					<-begins
					return outcome
				})
				second := deduped(s, s.open(t), fine)
				var both sync.WaitGroup
				var errs [2]error
				both.Go(func() { errs[0] = first.HandleBatch(t.Context(), batch("1")) })
				<-begun
				both.Go(func() {
					close(begins)
					errs[1] = second.HandleBatch(t.Context(), batch("1"))
				})
				both.Wait()
				g.Expect(errs[1]).NotTo(HaveOccurred())
				if outcome == nil {
					g.Expect(errs[0]).NotTo(HaveOccurred())
				} else {
					g.Expect(errs[0]).To(MatchError(errBoom))
				}
				want := 1
				if outcome != nil && !s.undoes {
					want = 2
				}
				g.Expect(s.effects(t.Context())).To(HaveLen(want))
			})
		})
	}
}

// Batches that have the same ids in another order do not lock up with each other.
func TestDedupeOfBatchesThatCross(t *testing.T) {
	t.Parallel()
	sets(t, func(t *testing.T, s seenIn) {
		g := NewWithT(t)
		hs := []consumer.BatchHandler{deduped(s, s.open(t), fine), deduped(s, s.open(t), fine)}
		const rounds = 30
		for round := range rounds {
			a, b := fmt.Sprint("a", round), fmt.Sprint("b", round)
			var both sync.WaitGroup
			var errs [2]error
			both.Go(func() { errs[0] = hs[0].HandleBatch(t.Context(), batch(a, b)) })
			both.Go(func() { errs[1] = hs[1].HandleBatch(t.Context(), batch(b, a)) })
			both.Wait()
			g.Expect(errors.Join(errs[:]...)).NotTo(HaveOccurred())
		}
		g.Expect(s.effects(t.Context())).To(HaveLen(2 * rounds))
	})
}

// A handler that goes on after its time is over has no effect, and is not remembered.
func TestDedupeOfAHandlerWhoseTimeIsOver(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s seenIn) {
		g := NewWithT(t)
		seen := s.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := deduped(s, seen, func(context.Context, *consumer.Message) error {
			cancel()
			return nil
		}).HandleBatch(ctx, batch("1"))
		g.Expect(err).To(MatchError(context.Canceled))
		g.Expect(s.effects(t.Context())).To(BeEmpty())
		g.Expect(deduped(s, seen, fine).HandleBatch(t.Context(), batch("1"))).To(Succeed())
		g.Expect(s.effects(t.Context())).To(HaveLen(1))
	}, map[string]func(*testing.T) seenIn{
		"SQLite": inDatabase(sqlite, aSet), "PostgreSQL": inDatabase(openPostgres, aSet),
		"last in SQLite": inDatabase(sqlite, aLast), "last in PostgreSQL": inDatabase(openPostgres, aLast),
	})
}

// A deferred constraint fails at the commit: nothing is stored, and nothing remembered.
func TestDedupeOfACommitThatTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) *sql.DB{
		"PostgreSQL": openPostgres,
		"SQLite":     func(t *testing.T) *sql.DB { t.Helper(); return openSQLite(t, "?_pragma=foreign_keys(1)") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			db := open(t)
			_, err := db.ExecContext(t.Context(), `CREATE TABLE names (name TEXT PRIMARY KEY);
				CREATE TABLE results (value TEXT NOT NULL REFERENCES names (name) DEFERRABLE INITIALLY DEFERRED)`)
			g.Expect(err).NotTo(HaveOccurred())
			set, err := sqlstore.NewSet(db)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(set.Migrate(t.Context())).To(Succeed())
			h := deduped(seenIn{write: write}, set, fine)
			g.Expect(h.HandleBatch(t.Context(), batch("ada"))).To(MatchError(ContainSubstring("karafgo_seen: commit: ")))
			_, err = db.ExecContext(t.Context(), "INSERT INTO names VALUES ('ada')")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(h.HandleBatch(t.Context(), batch("ada"))).To(Succeed())
			g.Expect(rows(t.Context(), db)).To(HaveExactElements("ada"))
		})
	}
}

// On a route with ExternalOffsets ids are part of the store's unit of work.
func TestDedupeWithinExternalOffsets(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s seenIn) {
		g := NewWithT(t)
		seen := s.open(t)
		store, err := sqlstore.New(s.db)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(store.Migrate(t.Context())).To(Succeed())
		claim, _, err := store.Claim(t.Context(), offsets.Partition{Group: "g", Topic: "t"})
		g.Expect(err).NotTo(HaveOccurred())
		unit := func() offsets.Unit {
			u, err := claim.Begin(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			return u
		}
		undone := unit()
		g.Expect(deduped(s, seen, fine).HandleBatch(undone.Context(t.Context()), batch("1"))).To(Succeed())
		undone.Rollback()
		g.Expect(s.effects(t.Context())).To(BeEmpty())
		for offset := range 2 {
			u := unit()
			g.Expect(deduped(s, seen, fine).HandleBatch(u.Context(t.Context()), batch("1"))).To(Succeed())
			g.Expect(u.Commit(t.Context(), offsets.Position{Offset: int64(offset)})).To(Succeed())
		}
		g.Expect(s.effects(t.Context())).To(HaveLen(1))

		failed := unit()
		calls := 0
		err = deduped(s, seen, func(_ context.Context, m *consumer.Message) error {
			calls++
			if calls == 2 {
				return consumer.FailedAt(m, errBoom)
			}
			return nil
		}).HandleBatch(failed.Context(t.Context()), batch("2", "3"))
		failed.Rollback()
		g.Expect(err).To(MatchError(errBoom))
		g.Expect(calls).To(Equal(2), "whose transaction it is hands over again")
	}, map[string]func(*testing.T) seenIn{
		"SQLite": inDatabase(sqlite, aSet), "PostgreSQL": inDatabase(openPostgres, aSet),
		"last in SQLite": inDatabase(sqlite, aLast), "last in PostgreSQL": inDatabase(openPostgres, aLast),
	})
}

func TestDedupeInAnotherDatabaseThanExternalOffsets(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	store, err := sqlstore.New(sqlite(t))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(store.Migrate(t.Context())).To(Succeed())
	claim, _, err := store.Claim(t.Context(), offsets.Partition{Group: "g", Topic: "t"})
	g.Expect(err).NotTo(HaveOccurred())
	u, err := claim.Begin(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	defer u.Rollback()
	set, err := sqlstore.NewSet(sqlite(t))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(set.Migrate(t.Context())).To(Succeed())
	err = deduped(seenIn{write: write}, set, fine).HandleBatch(u.Context(t.Context()), batch("1"))
	g.Expect(err).To(MatchError(ContainSubstring("in another database")))
}

func TestDedupeForgetsTheOld(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) *sql.DB{"SQLite": sqlite, "PostgreSQL": openPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			db := open(t)
			table := "ids"
			if name == "SQLite" {
				table = "main.ids"
			} else {
				g.Expect(db.QueryRowContext(t.Context(), "SELECT current_schema() || '.ids'").Scan(&table)).To(Succeed())
			}
			set, err := sqlstore.NewSet(db, sqlstore.Table(table))
			g.Expect(err).NotTo(HaveOccurred())
			for range 2 {
				g.Expect(set.Migrate(t.Context())).To(Succeed())
			}
			ids := make([]string, 2500)
			for i := range ids {
				ids[i] = fmt.Sprintf("%d \"'\\<é€", i) // whatever text
			}
			handled := 0
			h := deduped(seenIn{write: func(context.Context, string) error { handled++; return nil }}, set, fine)
			for range 2 {
				g.Expect(h.HandleBatch(t.Context(), batch(ids...))).To(Succeed())
			}
			g.Expect(handled).To(Equal(len(ids)))
			g.Expect(set.Forget(t.Context(), time.Now().Add(-time.Hour))).To(BeZero())
			g.Expect(set.Forget(t.Context(), time.Now().Add(time.Hour))).To(BeEquivalentTo(len(ids)))
			g.Expect(h.HandleBatch(t.Context(), batch(ids[:3]...))).To(Succeed())
			g.Expect(handled).To(Equal(len(ids) + 3))
		})
	}
}

func TestDedupeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	_, err := sqlstore.NewSet(nil)
	g.Expect(err).To(MatchError(ContainSubstring("the database is nil")))
	db := sqlite(t)
	_, err = sqlstore.NewLast(db, sqlstore.Table("no table"))
	g.Expect(err).To(MatchError(ContainSubstring(`table "no table": want a name of letters`)))
	set, err := sqlstore.NewSet(db)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(deduped(seenIn{write: write}, set, fine).HandleBatch(t.Context(), batch("1"))).To(MatchError(
		And(ContainSubstring(`look for copies of t/0 in group "g" in karafgo_seen`), ContainSubstring("no such table"))))
	g.Expect(set.Migrate(t.Context())).To(Succeed())
	for _, id := range []string{"\xff", "a\x00"} {
		g.Expect(deduped(seenIn{write: write}, set, fine).HandleBatch(t.Context(), batch(id))).To(MatchError(ContainSubstring("such as hex")))
	}
	last, err := sqlstore.NewLast(db)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(last.Migrate(t.Context())).To(Succeed())
	g.Expect(deduped(seenIn{write: write}, last, fine).HandleBatch(t.Context(), batch("a"))).To(MatchError(ContainSubstring("no whole number")))
	g.Expect(last.Once(t.Context(), offsets.Partition{ID: -1}, nil, nil)).To(MatchError(ContainSubstring("side by side")))
}
