package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recompute reads the topic from its first record to its last, as nobody who crashes would, and returns what the balances have to be:
// each message counts once, or each record where nothing knows of messages.
func recompute(ctx context.Context, brokers []string, records int, messages bool) (map[string]balance, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(transactions), kgo.ClientID("bank-check"))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	want, known := map[string]balance{}, map[string]bool{}
	for read := 0; read < records; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("read %s: %w", transactions, err)
		}
		for r := range fetches.RecordsAll() {
			read++
			var t Transaction
			if err := json.Unmarshal(r.Value, &t); err != nil {
				return nil, fmt.Errorf("read %s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
			}
			message := string(r.Headers[0].Value)
			if messages && known[message] {
				continue
			}
			known[message] = true
			b := want[t.Account]
			want[t.Account] = balance{cents: b.cents + t.Cents, bookings: b.bookings + 1}
		}
	}
	return want, nil
}

// result is what became of a run.
type result struct {
	records, booked, crashes int
	wrong                    []string // accounts whose balance is not what it has to be
}

func (r *result) compare(want, have map[string]balance) {
	for _, b := range have {
		r.booked += b.bookings
	}
	accounts := maps.Clone(want)
	maps.Copy(accounts, have)
	for _, account := range slices.Sorted(maps.Keys(accounts)) {
		if w, h := want[account], have[account]; w != h {
			r.wrong = append(r.wrong, fmt.Sprintf("%s has %d cents by %d bookings, want %d by %d",
				account, h.cents, h.bookings, w.cents, w.bookings))
		}
	}
}

func (r *result) String() string {
	const shown = 3 // accounts
	text := fmt.Sprintf("%4d records, %4d booked, %3d crashes, ", r.records, r.booked, r.crashes)
	switch n := len(r.wrong); {
	case n == 0:
		return text + "balances are right"
	case n > shown:
		return fmt.Sprintf("%s%s; and %d accounts more", text, strings.Join(r.wrong[:shown], "; "), n-shown)
	default:
		return text + strings.Join(r.wrong, "; ")
	}
}
