package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	. "github.com/onsi/gomega"
	_ "modernc.org/sqlite"

	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/offsets/sqlstore"
	"github.com/karafgo/karafgo/testkit"
)

// testPostgres is the environment variable that names a PostgreSQL database, such as postgres://postgres@127.0.0.1:5432/postgres.
const testPostgres = "KARAFGO_TEST_POSTGRES"

// openSQLite opens a database file of the test's own.
func openSQLite(t *testing.T, parameters string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "test.db")+parameters)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = db.Close() })
	return db
}

var schemas atomic.Int64

// openPostgres opens a schema of the test's own.
func openPostgres(t *testing.T) *sql.DB {
	t.Helper()
	url := os.Getenv(testPostgres)
	if url == "" {
		t.Skip("it needs PostgreSQL: set " + testPostgres)
	}
	g := NewWithT(t)
	admin, err := sql.Open("pgx", url)
	g.Expect(err).NotTo(HaveOccurred())
	schema := fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1))
	_, err = admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema)
	g.Expect(err).NotTo(HaveOccurred())
	db, err := sql.Open("pgx", url+"?search_path="+schema)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		_ = db.Close()
		_, _ = admin.ExecContext(context.WithoutCancel(t.Context()), "DROP SCHEMA "+schema+" CASCADE")
		_ = admin.Close()
	})
	return db
}

// suite runs the suite in a database.
func suite(t *testing.T, open func(*testing.T) *sql.DB, opts ...sqlstore.Option) {
	t.Helper()
	testkit.CheckStore(t, func(t *testing.T) testkit.StoreUnderTest {
		g := NewWithT(t)
		db := open(t)
		s, err := sqlstore.New(db, opts...)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s.Migrate(t.Context())).To(Succeed())
		_, err = db.ExecContext(t.Context(), "CREATE TABLE results (value TEXT NOT NULL)")
		g.Expect(err).NotTo(HaveOccurred())
		return testkit.StoreUnderTest{Store: s, Write: write, Rows: func(ctx context.Context) ([]string, error) { return rows(ctx, db) }}
	})
}

func write(ctx context.Context, row string) error {
	tx, err := sqlstore.Tx(ctx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO results VALUES ('"+row+"')")
	return err
}

func rows(ctx context.Context, db *sql.DB) (all []string, err error) {
	found, err := db.QueryContext(ctx, "SELECT value FROM results ORDER BY value")
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var row string
		if err := found.Scan(&row); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, found.Err()
}

func TestSQLitePassesTheSuite(t *testing.T) {
	t.Parallel()
	t.Run("as it comes", func(t *testing.T) {
		t.Parallel()
		suite(t, func(t *testing.T) *sql.DB { return openSQLite(t, "") })
	})
	t.Run("WAL", func(t *testing.T) {
		t.Parallel()
		suite(t, func(t *testing.T) *sql.DB {
			return openSQLite(t, "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_txlock=immediate")
		})
	})
	t.Run("one connection", func(t *testing.T) {
		t.Parallel()
		suite(t, func(t *testing.T) *sql.DB {
			db := openSQLite(t, "")
			db.SetMaxOpenConns(1)
			return db
		})
	})
}

func TestPostgreSQLPassesTheSuite(t *testing.T) {
	t.Parallel()
	t.Run("read committed", func(t *testing.T) {
		t.Parallel()
		suite(t, openPostgres)
	})
	t.Run("repeatable read", func(t *testing.T) {
		t.Parallel()
		suite(t, openPostgres, sqlstore.Begin(sql.TxOptions{Isolation: sql.LevelRepeatableRead}), sqlstore.Table("positions_of_consumers"))
	})
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	db := openSQLite(t, "")
	_, err := sqlstore.New(nil)
	g.Expect(err).To(MatchError(ContainSubstring("the database is nil")))
	_, err = sqlstore.New(db, sqlstore.Table("a; DROP TABLE b"))
	g.Expect(err).To(MatchError(ContainSubstring(`table "a; DROP TABLE b": want a name of letters`)))
	_, err = sqlstore.New(db, sqlstore.Begin(sql.TxOptions{ReadOnly: true}))
	g.Expect(err).To(MatchError(ContainSubstring("leave ReadOnly out")))
	other := sql.OpenDB(connector{})
	defer other.Close()
	_, err = sqlstore.New(other)
	g.Expect(err).To(MatchError(ContainSubstring("say sqlstore.Speaks(sqlstore.PostgreSQL) or SQLite")))
	_, err = sqlstore.New(other, sqlstore.Speaks(sqlstore.PostgreSQL), sqlstore.Table("app.karafgo_offsets"))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = sqlstore.Tx(t.Context())
	g.Expect(err).To(MatchError(sqlstore.ErrNoTx))
}

// connector is of a database that nobody knows.
type connector struct{ driver.Connector }

func (connector) Driver() driver.Driver { return nil }

// migrate creates the table from many members at once, and again.
func migrate(t *testing.T, db *sql.DB) {
	t.Helper()
	g := NewWithT(t)
	var all sync.WaitGroup
	failures := make(chan error, 8)
	for range cap(failures) {
		all.Go(func() {
			s, err := sqlstore.New(db)
			if err == nil {
				err = s.Migrate(t.Context())
			}
			failures <- err
		})
	}
	all.Wait()
	for range cap(failures) {
		g.Expect(<-failures).NotTo(HaveOccurred())
	}
}

func TestMembersThatStartTogetherMigrate(t *testing.T) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		migrate(t, openPostgres(t))
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		migrate(t, openSQLite(t, "?_pragma=busy_timeout(20000)"))
	})
}

// A unit whose connection breaks as it commits is in doubt. Renew waits for it, and tells.
func TestPostgreSQLTellsWhatBecameOfACommit(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	db := openPostgres(t)
	s, err := sqlstore.New(db)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Migrate(t.Context())).To(Succeed())
	// The deferred trigger makes COMMIT itself slow, so that it can be cut off.
	for _, text := range []string{
		`CREATE TABLE results (value TEXT NOT NULL)`,
		`CREATE FUNCTION slow() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$ LANGUAGE plpgsql`,
		`CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON results DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`,
	} {
		_, err := db.ExecContext(t.Context(), text)
		g.Expect(err).NotTo(HaveOccurred())
	}
	claim, _, err := s.Claim(t.Context(), offsets.Partition{Group: "g", Topic: "t"})
	g.Expect(err).NotTo(HaveOccurred())
	unit, err := claim.Begin(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(write(unit.Context(t.Context()), "a")).To(Succeed())
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	g.Expect(unit.Commit(short, offsets.Position{Offset: 1, Epoch: -1})).To(HaveOccurred())

	next, at, err := claim.Renew(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	all, err := rows(t.Context(), db)
	g.Expect(err).NotTo(HaveOccurred())
	if at.Offset == 1 { // what the server makes of it is its own affair; the answer has to be right
		g.Expect(all).To(HaveExactElements("a"))
	} else {
		g.Expect(at).To(Equal(offsets.None()))
		g.Expect(all).To(BeEmpty())
	}
	g.Expect(claim.Move(t.Context(), offsets.Position{Offset: 7})).To(MatchError(offsets.ErrFenced))
	g.Expect(next.Move(t.Context(), offsets.Position{Offset: 7})).To(Succeed())
}

// A deferred constraint fails at the commit: nothing is stored, and the claim is good.
func TestCommitThatTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) *sql.DB{
		"PostgreSQL": openPostgres,
		"SQLite":     func(t *testing.T) *sql.DB { t.Helper(); return openSQLite(t, "?_pragma=foreign_keys(1)") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			db := open(t)
			s, err := sqlstore.New(db)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.Migrate(t.Context())).To(Succeed())
			_, err = db.ExecContext(t.Context(), `CREATE TABLE names (name TEXT PRIMARY KEY);
				CREATE TABLE results (value TEXT NOT NULL REFERENCES names (name) DEFERRABLE INITIALLY DEFERRED)`)
			g.Expect(err).NotTo(HaveOccurred())
			claim, _, err := s.Claim(t.Context(), offsets.Partition{Group: "g", Topic: "t"})
			g.Expect(err).NotTo(HaveOccurred())
			unit, err := claim.Begin(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(write(unit.Context(t.Context()), "nobody")).To(Succeed())
			g.Expect(unit.Commit(t.Context(), offsets.Position{Offset: 1})).NotTo(Succeed())
			_, at, err := claim.Renew(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(at).To(Equal(offsets.None()))
			g.Expect(rows(t.Context(), db)).To(BeEmpty())
		})
	}
}
