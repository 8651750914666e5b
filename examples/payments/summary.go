package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// summary is what is printed at the end.
type summary struct {
	sent       int
	want       map[string]int // balances that the payments sent add up to
	balances   map[string]int
	disordered int
	expired    int
	held       int   // how often the breaker held the route
	lag        int64 // records from the committed offsets on, some of which may be done
	bank       bankCounts
	letters    []letter
	clean      bool
}

// letter is a record in the dead letter topic.
type letter struct{ account, from, attempts, reason string }

// readLetters reads the dead letter topic from its first record to its last. Headers tell where a record was and why it is here.
func readLetters(ctx context.Context, brokers []string) (letters []letter, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(refused), kgo.ClientID("payments-letters"))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, refused)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	if errors.Is(ends.Error(), kerr.UnknownTopicOrPartition) {
		return nil, nil // interrupted before it was made
	}
	var all int64
	ends.Each(func(o kadm.ListedOffset) { all += o.Offset })
	for int64(len(letters)) < all {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return letters, fmt.Errorf("read dead letters: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			h := map[string]string{}
			for _, header := range r.Headers {
				h[header.Key] = string(header.Value)
			}
			letters = append(letters, letter{
				account:  string(r.Key),
				from:     h[consumer.HeaderSourceTopic] + "/" + h[consumer.HeaderSourcePartition] + "@" + h[consumer.HeaderSourceOffset],
				attempts: h[consumer.HeaderAttempts],
				reason:   h[consumer.HeaderError],
			})
		})
	}
	slices.SortFunc(letters, func(a, b letter) int { return strings.Compare(a.account+a.from, b.account+b.from) })
	return letters, nil
}

const (
	shown   = 10 // letters
	longest = 42 // letters of a reason
)

func (s *summary) write(out io.Writer) {
	if len(s.letters) > 0 {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintf(w, "\nACCOUNT\tRECORD\tATTEMPTS\tREASON (in %s)\n", refused)
		for _, l := range s.letters[:min(len(s.letters), shown)] {
			reason := []rune(l.reason)
			if len(reason) > longest {
				reason = append(reason[:longest-1], '…')
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.account, l.from, l.attempts, string(reason))
		}
		_ = w.Flush()
		if n := len(s.letters) - shown; n > 0 {
			_, _ = fmt.Fprintf(out, "and %d more\n", n)
		}
	}
	_, _ = fmt.Fprintf(out, `
%8d payments sent
%8d booked, at most %d at once; %d from abroad, %s later
%8d refused: they are in %s
%8d expired before they were handled
%8d not done yet

Busy bank: %d calls. Outages: %d, and the breaker held the route %d x.
%s, %s.
`, s.sent, s.bank.booked, s.bank.atOnce, s.bank.cleared, later, len(s.letters), refused, s.expired, s.open(),
		s.bank.busy, s.bank.outages, s.held, s.verdict(), map[bool]string{true: "stopped cleanly", false: "did not stop cleanly"}[s.clean])
}

func (s *summary) open() int { return s.sent - s.bank.booked - len(s.letters) - s.expired }

func (s *summary) verdict() string {
	switch {
	case s.disordered > 0:
		return fmt.Sprintf("%d payments were booked before an earlier one of their account", s.disordered)
	case s.lag > 0:
		return "Accounts are in order, as far as they are booked"
	case !maps.Equal(s.want, s.balances):
		return "Balances are not what was sent"
	default:
		return "Balances are right, accounts are in order"
	}
}
