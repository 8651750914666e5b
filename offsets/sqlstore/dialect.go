package sqlstore

import (
	"database/sql"
	"fmt"
	"strings"
)

// Dialect is the kind of a database.
type Dialect uint8

const (
	unknown Dialect = iota
	// PostgreSQL is version 9.5 or later.
	PostgreSQL
	// SQLite is version 3.35 or later.
	SQLite
)

// String returns the database's name.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case SQLite:
		return "SQLite"
	default:
		return "unknown"
	}
}

// detect goes by the driver's type.
func detect(db *sql.DB) Dialect {
	switch name := strings.ToLower(fmt.Sprintf("%T", db.Driver())); {
	case strings.Contains(name, "sqlite"):
		return SQLite
	case name == "*stdlib.driver", name == "*pq.driver", strings.Contains(name, "postgres"), strings.Contains(name, "pgx"):
		return PostgreSQL
	default:
		return unknown
	}
}

// statements of one table, in the words of its database.
type statements struct {
	claim string
	renew string
	move  string
	hold  string // takes the write lock, if the token is still good
}

// Of an earlier row that was deleted, a token may come again: the owner, which is random, does not.
const (
	createTable = `CREATE TABLE IF NOT EXISTS %TABLE% (
	consumer_group TEXT    NOT NULL,
	topic          TEXT    NOT NULL,
	partition_id   INTEGER NOT NULL,
	next_offset    BIGINT  NOT NULL, -- of the next record to consume; -1 for none
	leader_epoch   INTEGER NOT NULL,
	metadata       TEXT    NOT NULL,
	token          BIGINT  NOT NULL, -- of the owner; grows
	owner          TEXT    NOT NULL,
	PRIMARY KEY (consumer_group, topic, partition_id)
)`
	claimRow = `INSERT INTO %TABLE% AS o (consumer_group, topic, partition_id, next_offset, leader_epoch, metadata, token, owner)
VALUES ($1, $2, $3, -1, -1, '', 1, $4)
ON CONFLICT (consumer_group, topic, partition_id) DO UPDATE SET token = o.token + 1, owner = excluded.owner
RETURNING token, next_offset, leader_epoch, metadata`
	renewRow = `UPDATE %TABLE% SET token = token + 1
WHERE consumer_group = $1 AND topic = $2 AND partition_id = $3 AND owner = $4
RETURNING token, next_offset, leader_epoch, metadata`
	moveRow = `UPDATE %TABLE% SET next_offset = $6, leader_epoch = $7, metadata = $8
WHERE consumer_group = $1 AND topic = $2 AND partition_id = $3 AND owner = $4 AND token = $5`
	holdRow = `UPDATE %TABLE% SET token = token
WHERE consumer_group = $1 AND topic = $2 AND partition_id = $3 AND owner = $4 AND token = $5`
)

func (t *table) statements() statements {
	return statements{claim: t.words(claimRow), renew: t.words(renewRow), move: t.words(moveRow), hold: t.words(holdRow)}
}
