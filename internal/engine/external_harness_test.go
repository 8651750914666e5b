package engine_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	. "github.com/onsi/gomega"
	_ "modernc.org/sqlite"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/offsets/sqlstore"
	"github.com/karafgo/karafgo/router"
)

// testPostgres is the environment variable that names a PostgreSQL database.
const testPostgres = "KARAFGO_TEST_POSTGRES"

// database is where a test's effects and offsets are.
type database struct {
	Driver string `json:"driver"`
	Source string `json:"source"`
}

var schemas atomic.Int64

// postgres is a schema of the test's own.
func postgres(t *testing.T) database {
	t.Helper()
	url := os.Getenv(testPostgres)
	if url == "" {
		t.Skip("it needs PostgreSQL: set " + testPostgres)
	}
	g := NewWithT(t)
	admin, err := sql.Open("pgx", url)
	g.Expect(err).NotTo(HaveOccurred())
	schema := fmt.Sprintf("engine_%d_%d", os.Getpid(), schemas.Add(1))
	_, err = admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.WithoutCancel(t.Context()), "DROP SCHEMA "+schema+" CASCADE")
		g.Expect(err).NotTo(HaveOccurred())
		_ = admin.Close()
	})
	return database{"pgx", url + "?search_path=" + schema}
}

// sqlite is a file of the test's own.
func sqlite(t *testing.T) database {
	t.Helper()
	return database{"sqlite", "file:" + filepath.Join(t.TempDir(), "effects.db") + "?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)"}
}

// onDatabases runs a test on each kind of database.
func onDatabases(t *testing.T, test func(t *testing.T, d database)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T) database{"SQLite": sqlite, "PostgreSQL": postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// effects is a database in use: one row for each record that took effect, and no key that would hide a second one.
type effects struct {
	*sqlstore.Store

	db *sql.DB
}

func (d database) open(ctx context.Context) (*effects, error) {
	db, err := sql.Open(d.Driver, d.Source)
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.New(db)
	if err != nil {
		return nil, err
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS effects (topic TEXT NOT NULL, part INTEGER NOT NULL, at BIGINT NOT NULL, who TEXT NOT NULL)")
	return &effects{Store: store, db: db}, err
}

func (d database) use(t *testing.T) *effects {
	t.Helper()
	e, err := d.open(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = e.db.Close() })
	return e
}

// note makes a record take effect.
func note(ctx context.Context, who string, m *consumer.Message) error {
	tx, err := sqlstore.Tx(ctx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO effects VALUES ('%s', %d, %d, '%s')", m.Topic, m.Record.Partition, m.Offset, who))
	return err
}

// noting is a handler that makes records take effect and does nothing else.
func noting(who string) consumer.Handler {
	return consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error { return note(ctx, who, m) })
}

func external(s offsets.Store) func(*router.Route) {
	return func(r *router.Route) { r.ExternalOffsets(s) }
}

// of returns the offsets that took effect, in the order of the offsets.
func (e *effects) of(topic string, partition int32) (all []int64) {
	found, err := e.db.QueryContext(context.Background(), fmt.Sprintf("SELECT at FROM effects WHERE topic = '%s' AND part = %d ORDER BY at", topic, partition))
	if err != nil {
		return []int64{-1}
	}
	defer func() { _ = found.Close() }()
	for found.Next() {
		var at int64
		if err := found.Scan(&at); err != nil {
			return []int64{-1}
		}
		all = append(all, at)
	}
	if found.Err() != nil {
		return []int64{-1}
	}
	return all
}

func (e *effects) count() (n int) {
	if err := e.db.QueryRowContext(context.Background(), "SELECT COUNT(*) FROM effects").Scan(&n); err != nil {
		return -1
	}
	return n
}

// await waits until so many records took effect.
func (e *effects) await(t *testing.T, n int) {
	t.Helper()
	NewWithT(t).Eventually(e.count, patience).Should(BeNumerically(">=", n))
}

// position is what the store has, -1 for none.
func (e *effects) position(topic string, partition int32) (at int64) {
	err := e.db.QueryRowContext(context.Background(),
		fmt.Sprintf("SELECT next_offset FROM karafgo_offsets WHERE topic = '%s' AND partition_id = %d", topic, partition)).Scan(&at)
	if err != nil {
		return -1
	}
	return at
}
