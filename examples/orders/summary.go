package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"text/tabwriter"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/karafgo/karafgo/consumer"
)

// groups are the consumer groups of the example, with what each reads.
var groups = map[string]string{
	"pricing": created, "mail": created, "audit": created, "search": priced,
}

// counts is what the example counts while it runs. Callbacks would not do: a listener that is too slow misses events.
type counts struct {
	mu       sync.Mutex
	produced int
	all      bool // everything is produced
	handled  map[string]int
	retried  map[string]int
	skipped  int
	outputs  int
}

func newCounts() *counts { return &counts{handled: map[string]int{}, retried: map[string]int{}} }

// count is middleware: it sees every attempt of every group.
func (c *counts) count(next consumer.BatchHandler) consumer.BatchHandler {
	return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
		group, again, n := b.First().Assigned().Group(), b.First().Attempt() > 1, b.Len()
		err := next.HandleBatch(ctx, b)
		skip := err != nil && consumer.VerdictOf(err).Kind == consumer.KindSkip
		c.mu.Lock()
		defer c.mu.Unlock()
		if again {
			c.retried[group]++
		}
		switch {
		case skip:
			c.skipped += n
		case err != nil:
			return err
		case group == "pricing":
			c.outputs += n // its output is Required: one for each order that succeeds
		}
		c.handled[group] += n
		return err
	})
}

func (c *counts) produce(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.produced += n
}

func (c *counts) allProduced() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = true
}

func (c *counts) isAllProduced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

func (c *counts) line() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("produced %6d   priced %6d   mailed %6d   indexed %6d   audited %6d   retries %3d",
		c.produced, c.handled["pricing"], c.handled["mail"], c.handled["search"], c.handled["audit"], c.retried["pricing"])
}

// lags are what is left to consume, by group.
type lags map[string]int64

func (l lags) none() bool {
	for _, n := range l {
		if n > 0 {
			return false
		}
	}
	return true
}

// readLags asks the broker what each group has left. Offsets are read before ends: when pricing has committed all orders, the end of the
// prices that is read afterwards is the last one, as an output is acknowledged before its order is marked.
func readLags(ctx context.Context, admin *kadm.Client) (lags, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	committed := map[string]kadm.OffsetResponses{}
	for g := range groups {
		offsets, err := admin.FetchOffsets(ctx, g)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return nil, fmt.Errorf("read offsets of group %s: %w", g, err)
		}
		committed[g] = offsets
	}
	starts, err := admin.ListStartOffsets(ctx, created, priced)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("read start offsets: %w", err)
	}
	ends, err := admin.ListEndOffsets(ctx, created, priced)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("read end offsets: %w", err)
	}
	l := lags{}
	for g, topic := range groups {
		l[g] = 0
		for p, end := range ends[topic] {
			at := starts[topic][p].Offset // nothing committed: from the first record
			if o, ok := committed[g].Lookup(topic, p); ok && o.Err == nil {
				at = max(at, o.At)
			}
			l[g] += end.Offset - at
		}
	}
	return l, nil
}

// summary is what is printed at the end.
type summary struct {
	Produced  int                     `json:"produced"`
	Groups    map[string]groupSummary `json:"groups"`
	Outputs   int                     `json:"outputs"`
	CleanStop bool                    `json:"clean_stop"`

	skipped int
	retried map[string]int
}

type groupSummary struct {
	Handled int   `json:"handled"`
	Lag     int64 `json:"lag"`
}

// summary is made after everything that counts has stopped.
func (c *counts) summary(l lags) *summary {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &summary{
		Produced: c.produced, Groups: map[string]groupSummary{}, Outputs: c.outputs, CleanStop: true,
		skipped: c.skipped, retried: c.retried,
	}
	for g := range groups {
		s.Groups[g] = groupSummary{Handled: c.handled[g], Lag: l[g]}
	}
	return s
}

func (s *summary) write(o options, out io.Writer) error {
	if o.output == "json" {
		if err := json.NewEncoder(out).Encode(s); err != nil {
			return fmt.Errorf("print summary: %w", err)
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) //nolint:mnd // spaces between columns
	_, _ = fmt.Fprintf(w, "\nTOPIC\tPRODUCED\tGROUP\tHANDLED\tRETRIED\tOUTPUTS\tLAG\n")
	names := make([]string, 0, len(groups))
	for g := range groups {
		names = append(names, g)
	}
	sort.Slice(names, func(i, j int) bool { return groups[names[i]]+names[i] < groups[names[j]]+names[j] })
	produced := map[string]int{created: s.Produced, priced: s.Outputs}
	outputs := map[string]int{"pricing": s.Outputs}
	for _, g := range names {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%d\t%d\n",
			groups[g], produced[groups[g]], g, s.Groups[g].Handled, s.retried[g], outputs[g], s.Groups[g].Lag)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print summary: %w", err)
	}
	stopped := "stopped cleanly"
	if !s.CleanStop {
		stopped = "did not stop cleanly"
	}
	_, err := fmt.Fprintf(out, "\n%d orders produced, %d priced orders written, %d skipped (no such article), %s\n",
		s.Produced, s.Outputs, s.skipped, stopped)
	if err != nil {
		return fmt.Errorf("print summary: %w", err)
	}
	return nil
}
