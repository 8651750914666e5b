// Package sqlstore keeps offsets, or the ids of messages, in a database of the program's, over database/sql, for PostgreSQL and SQLite:
// an [offsets.Store], and what middleware.Dedupe remembers ids in.
//
//	db, err := sql.Open("pgx", url)
//	store, err := sqlstore.New(db)
//	err = store.Migrate(ctx)
//
//	g.Topic("transfers").Each(consumer.JSON(ledger.Book)).ExternalOffsets(store)
//
// A handler takes the transaction from its context, and the offset is committed with it:
//
//	tx, err := sqlstore.Tx(ctx)
//
// What it writes through tx takes effect once for each record, and so does what middleware around it writes. What it does besides, such
// as sending a mail, may happen again. It neither commits nor rolls back, and uses the context that it was given.
//
// # Ids
//
// With offsets in Kafka, a [Set] or a [Last] makes the effect of a message happen once, although it comes again after a crash, and
// although its producer wrote it twice. Its id is remembered in the same kind of transaction, which is committed before the record is
// marked:
//
//	ids, err := sqlstore.NewSet(db)
//	err = ids.Migrate(ctx)
//
//	g.Topic("transfers").Each(consumer.JSON(ledger.Book)).Use(middleware.Dedupe(ids, messageID))
//
// On a route with ExternalOffsets it is remembered in the store's transaction, which has to be of the same *sql.DB.
//
// # PostgreSQL
//
// Any driver will do, such as github.com/jackc/pgx/v5/stdlib. A partition has one transaction at a time, so the pool should have a
// connection for each handler that runs at once, and some for the program's own; while there is none, partitions wait. The offset is
// compared with its owner's token at the end of the transaction, by an UPDATE of the partition's own row: owners of different partitions
// do not wait for each other. Serialization failures and deadlocks are failures of the record, which is retried.
//
// A process that vanishes or freezes in the moment between that UPDATE and its COMMIT keeps its row locked until the server ends its
// session, and the next owner waits for that, visibly; so does whoever has a copy of an id that is in its transaction. Let the server do
// so soon: tcp_keepalives_idle for hosts that vanish, idle_in_transaction_session_timeout for processes that freeze, longer than a
// handler goes without a statement. With pgx both may stand in the connection's URL:
//
//	postgres://app@db/ledger?tcp_keepalives_idle=10&tcp_keepalives_interval=5&idle_in_transaction_session_timeout=30s
//
// # SQLite
//
// modernc.org/sqlite and github.com/mattn/go-sqlite3 are known. A Set needs version 3.38. SQLite has one writer at a time. The
// transactions of a Store, a Set or a Last wait for one another in the order they came, and each takes the write lock as it begins, so
// none fails half-way with SQLITE_BUSY. Other writers of the same file, in this process or another, are waited for if the database is
// opened with a busy timeout:
//
//	sql.Open("sqlite", "file:ledger.db?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
//
// With WAL and synchronous(NORMAL) the last transactions may be lost when the machine loses power. The offsets of a Store go with them:
// the records come again, and nothing is applied twice. With a Set or a Last Kafka may have the offset already, and the records do not
// come again: leave synchronous at FULL, its default, and PostgreSQL's synchronous_commit on. A process that freezes while it writes
// keeps all others from writing. A handler that uses the database beside tx waits for itself if it writes, or if the pool has one
// connection.
package sqlstore
