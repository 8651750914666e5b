package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kgo"
	_ "modernc.org/sqlite"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/devbroker"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/offsets/sqlstore"
	"github.com/karafgo/karafgo/router"
)

type Transfer struct {
	Account string
	Cents   int
}

type Ledger struct{}

// Book adds to a balance, in the transaction that the transfer's offset is committed with.
func (*Ledger) Book(ctx context.Context, m *consumer.Typed[Transfer]) error {
	tx, err := sqlstore.Tx(ctx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO balances VALUES (?, ?)
		ON CONFLICT (account) DO UPDATE SET cents = cents + excluded.cents`, m.Payload.Account, m.Payload.Cents)
	return err
}

func Routes(l *Ledger, store *sqlstore.Store) router.Drawer {
	return func(r *router.Router) {
		r.Group("ledger", func(g *router.Group) {
			g.Topic("transfers").Each(consumer.JSON(l.Book)).ExternalOffsets(store)
		})
	}
}

// Balances and offsets are in one database, and each transfer counts once.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	dir, err := os.MkdirTemp("", "ledger")
	check(err)
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db")+"?_pragma=busy_timeout(5000)")
	check(err)
	defer db.Close()
	_, err = db.ExecContext(ctx, "CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL)")
	check(err)
	store, err := sqlstore.New(db)
	check(err)
	check(store.Migrate(ctx))

	broker, err := devbroker.Start(devbroker.Topic("transfers", 1))
	check(err)
	defer broker.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.DefaultProduceTopic("transfers"))
	check(err)
	defer cl.Close()
	check(cl.ProduceSync(ctx, kgo.StringRecord(`{"Account":"ada","Cents":500}`), kgo.StringRecord(`{"Account":"bob","Cents":100}`),
		kgo.StringRecord(`{"Account":"ada","Cents":-100}`)).FirstErr())

	cfg := framework.DefaultConfig()
	cfg.Kafka.Brokers, cfg.HTTP.Listen, cfg.Log.Level = broker.Addrs(), "", "error"
	check(framework.Run(ctx, cfg, framework.Routes(Routes(&Ledger{}, store)),
		framework.Callbacks(callbacks.On(func(_ context.Context, e callbacks.Handled) {
			if e.Last == 2 {
				stop()
			}
		}))))

	var ada, next int
	check(db.QueryRowContext(context.Background(), `SELECT cents, next_offset FROM balances, karafgo_offsets WHERE account = 'ada'`).Scan(&ada, &next))
	fmt.Println("ada has", ada, "cents, and the next transfer is", next)
	// Output: ada has 400 cents, and the next transfer is 3
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
