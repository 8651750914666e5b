// Package database is the SQLite database that clients write to, and what they write there. It is a package of its own, so that programs
// without it do not have SQLite in their memory.
package database

import (
	"context"
	"database/sql"
	"fmt"

	_ "modernc.org/sqlite" // the driver

	"github.com/karafgo/karafgo/bench/internal/client"
)

// Open makes the database. With WAL and synchronous(NORMAL) a commit does not wait for the disk, which would hide all else.
func Open(r *client.Run) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+r.Database+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(context.Background(), "CREATE TABLE accounts (id BLOB PRIMARY KEY, records INTEGER NOT NULL)"); err != nil {
		return nil, err
	}
	return db, nil
}

// Add counts a record of a key.
func Add(ctx context.Context, tx *sql.Tx, key []byte) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO accounts VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET records = records + 1", key)
	return err
}

// Check compares the records counted with those that there are, and closes the database.
func Check(r *client.Run, db *sql.DB) error {
	var got, want int64
	for _, end := range r.Ends {
		want += end
	}
	if err := db.QueryRowContext(context.Background(), "SELECT coalesce(sum(records), 0) FROM accounts").Scan(&got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("of %d records %d are counted", want, got)
	}
	return db.Close()
}
