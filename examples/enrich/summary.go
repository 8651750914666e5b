package main

import (
	"context"
	"encoding/json"
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
)

// summary is what is printed at the end. Most of it is read from the topics that were written.
type summary struct {
	sent  int            // views
	all   bool           // that were wanted are sent and counted
	board map[string]int // as the program has it
	clean bool

	enriched   map[string]int // how often, by the view's ID
	countries  map[string]int
	unknown    int
	disordered int // views before an earlier one of their user
	orphans    int // records without the correlation header of their view
	pages      map[string]PageViews
	statistics []Statistic
}

// read reads what was written, to its end.
func read(ctx context.Context, brokers []string) (*summary, error) {
	s := &summary{enriched: map[string]int{}, countries: map[string]int{}, pages: map[string]PageViews{}}
	topics := []string{Enriched.Name(), Unknown.Name(), Counted.Name(), Statistics.Name()}
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topics...), kgo.ClientID("enrich-summary"))
	if err != nil {
		return s, err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return s, nil // interrupted before they were made
	}
	if err != nil {
		return s, fmt.Errorf("read what was written: %w", err)
	}
	var left int64
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	seen := map[string]int{} // the last view of a user
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return s, fmt.Errorf("read what was written: %w", err)
		}
		for r := range fetches.RecordsAll() {
			left--
			if err := s.take(r, seen); err != nil {
				return s, fmt.Errorf("%s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
			}
		}
	}
	return s, nil
}

func (s *summary) take(r *kgo.Record, seen map[string]int) error {
	switch r.Topic {
	case Enriched.Name():
		var v EnrichedView
		if err := json.Unmarshal(r.Value, &v); err != nil {
			return err
		}
		s.enriched[v.ID]++
		if v.Profile != nil {
			s.countries[v.Profile.Country]++
		}
		if last, ok := seen[v.User]; ok && v.Number <= last {
			s.disordered++
		}
		seen[v.User] = v.Number
		s.correlated(r, "c-"+v.ID)
	case Unknown.Name():
		var v View
		if err := json.Unmarshal(r.Value, &v); err != nil {
			return err
		}
		s.unknown++
		s.correlated(r, "c-"+v.ID)
	case Counted.Name():
		var c PageViews
		if err := json.Unmarshal(r.Value, &c); err != nil {
			return err
		}
		page := s.pages[c.Page]
		page.Views += c.Views
		if page.Countries == nil {
			page.Countries = map[string]int{}
		}
		for country, n := range c.Countries {
			page.Countries[country] += n
		}
		s.pages[c.Page] = page
		s.correlated(r, "c-")
	default:
		var st Statistic
		if err := json.Unmarshal(r.Value, &st); err != nil {
			return err
		}
		s.statistics = append(s.statistics, st)
	}
	return nil
}

// correlated counts a record whose correlation header does not begin so.
func (s *summary) correlated(r *kgo.Record, want string) {
	ok := slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool {
		return h.Key == "correlation-id" && strings.HasPrefix(string(h.Value), want)
	})
	if !ok {
		s.orphans++
	}
}

func (s *summary) write(out io.Writer) {
	countries := slices.Sorted(maps.Keys(s.countries))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\nPAGE\tVIEWS\t%s\tUNKNOWN\n", strings.Join(countries, "\t"))
	for _, page := range slices.Sorted(maps.Keys(s.pages)) {
		p := s.pages[page]
		_, _ = fmt.Fprintf(w, "%s\t%d", page, p.Views)
		known := 0
		for _, c := range countries {
			_, _ = fmt.Fprintf(w, "\t%d", p.Countries[c])
			known += p.Countries[c]
		}
		_, _ = fmt.Fprintf(w, "\t%d\n", p.Views-known)
	}
	_ = w.Flush()
	_, _ = fmt.Fprintf(out, `
%6d views sent
%6d enriched: they are in %s
%6d of users without a profile: they are in %s, too
%6d statistics in %s, sent by the program itself

%s, %s.
`, s.sent, len(s.enriched), Enriched.Name(), s.unknown, Unknown.Name(), len(s.statistics), Statistics.Name(),
		s.verdict(), map[bool]string{true: "stopped cleanly", false: "did not stop cleanly"}[s.clean])
}

// verdict is what is wrong, or that nothing is.
func (s *summary) verdict() string {
	total, twice := 0, 0
	counted := map[string]int{}
	for page, p := range s.pages {
		total += p.Views
		counted[page] = p.Views
	}
	for _, n := range s.enriched {
		twice += n - 1
	}
	switch {
	case s.disordered > 0:
		return fmt.Sprintf("%d views are behind a later one of their user", s.disordered)
	case s.orphans > 0:
		return fmt.Sprintf("%d records have lost the correlation header of their view", s.orphans)
	case twice > 0:
		return fmt.Sprintf("%d views were enriched twice", twice)
	case !maps.Equal(counted, s.board):
		return "The board does not show what was counted"
	case !s.all:
		return "In order and with headers, as far as it got"
	case len(s.enriched) != s.sent || total != s.sent:
		return fmt.Sprintf("Of %d views %d were enriched and %d counted", s.sent, len(s.enriched), total)
	default:
		return "Everything is there once, in order, with its headers"
	}
}
