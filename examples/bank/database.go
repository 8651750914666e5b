package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of PostgreSQL
	_ "modernc.org/sqlite"             // the driver of SQLite

	"github.com/karafgo/karafgo/offsets/sqlstore"
)

// balance is a row of the bank's own table.
type balance struct{ cents, bookings int }

const createBalances = "CREATE TABLE IF NOT EXISTS balances (account TEXT PRIMARY KEY, cents BIGINT NOT NULL, bookings BIGINT NOT NULL)"

// newDatabase makes an empty database for one run: a file, or a schema on the server. drop removes it.
func newDatabase(ctx context.Context, postgres string) (driver, source string, drop func(), err error) {
	if postgres == "" {
		dir, err := os.MkdirTemp("", "bank")
		if err != nil {
			return "", "", nil, err
		}
		// One process writes at a time, the other waits for it.
		const pragmas = "?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)"
		return "sqlite", "file:" + filepath.Join(dir, "bank.db") + pragmas, func() { _ = os.RemoveAll(dir) }, nil
	}
	at, err := url.Parse(postgres)
	if err != nil {
		return "", "", nil, fmt.Errorf("--postgres: %w", err)
	}
	admin, err := sql.Open("pgx", postgres)
	if err != nil {
		return "", "", nil, fmt.Errorf("--postgres: %w", err)
	}
	schema := "bank_" + strings.ToLower(rand.Text())
	if _, err := admin.ExecContext(ctx, "CREATE SCHEMA "+schema); err != nil {
		_ = admin.Close()
		return "", "", nil, fmt.Errorf("--postgres: %w", err)
	}
	query := at.Query()
	query.Set("search_path", schema)
	at.RawQuery = query.Encode()
	return "pgx", at.String(), func() {
		_, _ = admin.ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA "+schema+" CASCADE")
		_ = admin.Close()
	}, nil
}

// tables are what the patterns need in the database, and the balances.
type tables struct {
	db    *sql.DB
	ids   *sqlstore.Set
	store *sqlstore.Store
}

var errNotOpen = errors.New("open the database")

// open opens the database, and makes the tables if they are not there.
func open(ctx context.Context, driver, source string) (*tables, error) {
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	t := &tables{db: db}
	if err := t.make(ctx); err != nil {
		t.close()
		return nil, fmt.Errorf("%w: %w", errNotOpen, err)
	}
	return t, nil
}

func (t *tables) make(ctx context.Context) (err error) {
	if t.ids, err = sqlstore.NewSet(t.db); err != nil {
		return err
	}
	if t.store, err = sqlstore.New(t.db); err != nil {
		return err
	}
	if err := errors.Join(t.ids.Migrate(ctx), t.store.Migrate(ctx)); err != nil {
		return err
	}
	_, err = t.db.ExecContext(ctx, createBalances)
	return err
}

func (t *tables) close() { _ = t.db.Close() }

// balances are what is booked, by account.
func (t *tables) balances(ctx context.Context) (map[string]balance, error) {
	rows, err := t.db.QueryContext(ctx, "SELECT account, cents, bookings FROM balances")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := map[string]balance{}
	for rows.Next() {
		var account string
		var b balance
		if err := rows.Scan(&account, &b.cents, &b.bookings); err != nil {
			return nil, err
		}
		all[account] = b
	}
	return all, rows.Err()
}
