package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"sync"
	"text/tabwriter"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/karafgo/karafgo/consumer"
)

// groups are the consumer groups of the example, with what each reads.
var groups = map[string]string{
	"pricing": created, "mail": created, "audit": created, "search": priced,
}

// counts is what the example counts while it runs.
type counts struct {
	mu         sync.Mutex
	fed        int
	allFed     bool
	handled    map[string]int
	skipped    int
	retries    map[string]int
	outputs    int
	produced   int
	produceErr error
}

func newCounts() *counts { return &counts{handled: map[string]int{}, retries: map[string]int{}} }

// count is middleware: it counts what handlers have done. The topic tells groups that read different ones apart, and for the rest
// the partition's group does.
func (c *counts) count(next consumer.BatchHandler) consumer.BatchHandler {
	return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
		group := b.First().Assigned().Group()
		n := b.Len()
		err := next.HandleBatch(ctx, b)
		skip := err != nil && consumer.VerdictOf(err).Kind == consumer.KindSkip
		if err == nil || skip {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.handled[group] += n
			switch {
			case skip:
				c.skipped += n
			case group == "pricing":
				c.outputs += n
			}
		}
		return err
	})
}

func (c *counts) retried(group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retries[group]++
}

func (c *counts) feed(sent int, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fed, c.allFed = sent, all
}

// complete reports whether everything that was produced has been handled by every group.
func (c *counts) complete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.allFed {
		return false
	}
	for g, topic := range groups {
		want := c.fed
		if topic == priced {
			want = c.fed - c.skipped
		}
		if c.handled[g] < want {
			return false
		}
	}
	return true
}

func (c *counts) line() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("produced %6d   priced %6d   mailed %6d   indexed %6d   audited %6d   retries %3d",
		c.fed, c.handled["pricing"], c.handled["mail"], c.handled["search"], c.handled["audit"], c.retries["pricing"])
}

// summary is what is printed at the end.
type summary struct {
	Produced  int                     `json:"produced"`
	Groups    map[string]groupSummary `json:"groups"`
	Outputs   int                     `json:"outputs"`
	CleanStop bool                    `json:"clean_stop"`

	skipped int
	retries map[string]int
}

type groupSummary struct {
	Handled int   `json:"handled"`
	Lag     int64 `json:"lag"`
}

// summarise reads the lag from the broker, after the groups have stopped.
func summarise(admin *kadm.Client, c *counts) (*summary, error) {
	ctx, cancel := context.WithTimeout(context.Background(), bootTimeout)
	defer cancel()
	s := &summary{
		Produced: c.produced, Groups: map[string]groupSummary{}, Outputs: c.outputs, CleanStop: true,
		skipped: c.skipped, retries: c.retries,
	}
	ends, err := admin.ListEndOffsets(ctx, created, priced)
	if err != nil {
		return nil, fmt.Errorf("read end offsets: %w", err)
	}
	for g, topic := range groups {
		committed, err := admin.FetchOffsets(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("read offsets of group %s: %w", g, err)
		}
		lag := int64(0)
		for p, end := range ends[topic] {
			at := int64(0)
			if o, ok := committed.Lookup(topic, p); ok && o.At > 0 {
				at = o.At
			}
			lag += end.Offset - at
		}
		s.Groups[g] = groupSummary{Handled: c.handled[g], Lag: lag}
	}
	return s, nil
}

func (s *summary) print(o options, out io.Writer) error {
	if o.output == "json" {
		if err := json.NewEncoder(out).Encode(s); err != nil {
			return fmt.Errorf("print summary: %w", err)
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\nTOPIC\tGROUP\tHANDLED\tRETRIED\tLAG\n")
	names := make([]string, 0, len(groups))
	for g := range groups {
		names = append(names, g)
	}
	sort.Slice(names, func(i, j int) bool { return groups[names[i]]+names[i] < groups[names[j]]+names[j] })
	for _, g := range names {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", groups[g], g, s.Groups[g].Handled, s.retries[g], s.Groups[g].Lag)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print summary: %w", err)
	}
	_, err := fmt.Fprintf(out, "\n%d orders produced, %d priced orders written, %d skipped (no such article), stopped cleanly\n",
		s.Produced, s.Outputs, s.skipped)
	if err != nil {
		return fmt.Errorf("print summary: %w", err)
	}
	return nil
}
