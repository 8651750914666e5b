package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// most is how long a demo may take that never ends; what it then leaves fails the test.
const most = time.Minute

func TestOnceEnrichesEverything(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	const n = 1200
	s, err := demo(ctx, options{once: true, views: n}, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())

	enriched, pages, countries, unknown := map[string]int{}, map[string]int{}, map[string]int{}, 0
	for i := range n {
		v := nth(i)
		enriched[v.ID]++
		pages[v.Page]++
		switch user := i % users; {
		case nobody(user), leaves(user) && i >= n/2:
			unknown++
		case moves(user) && i >= n/2:
			countries["IS"]++
		default:
			countries[country(user)]++
		}
	}
	g.Expect(s.enriched).To(Equal(enriched), "each once")
	g.Expect(s.unknown).To(Equal(unknown), "those without a profile, and those whose tombstone has come")
	g.Expect(s.countries).To(Equal(countries))
	g.Expect(s.board).To(Equal(pages))
	for page, count := range s.pages {
		g.Expect(count.Views).To(Equal(pages[page]))
	}
	g.Expect(s.disordered).To(BeZero())
	g.Expect(s.orphans).To(BeZero())
	g.Expect(s.statistics).NotTo(BeEmpty())
	g.Expect(s.statistics[len(s.statistics)-1]).To(Equal(Statistic{Profiles: 54, Enriched: n, Unknown: unknown}), "sent at the stop")
	g.Expect(s.clean).To(BeTrue())

	var out bytes.Buffer
	s.write(&out)
	g.Expect(out.String()).To(ContainSubstring("Everything is there once, in order, with its headers, stopped cleanly."))
	for line := range strings.Lines(out.String()) {
		g.Expect(utf8.RuneCountInString(strings.TrimRight(line, "\n"))).To(BeNumerically("<=", 80), line)
	}
}

func TestInterruptedDemoStopsCleanly(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{
		"at once": 0, "while it joins": 5 * time.Millisecond, "while it runs": time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			ctx, interrupt := context.WithCancel(t.Context()) // as a signal does it
			defer interrupt()
			defer time.AfterFunc(after, interrupt).Stop()
			s, err := demo(ctx, options{}, io.Discard)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.clean).To(BeTrue())
			g.Expect(s.verdict()).To(Equal("In order and with headers, as far as it got"))
		})
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]summary{
		"1 views are behind a later one of their user":             {disordered: 1},
		"2 records have lost the correlation header of their view": {orphans: 2},
		"1 views were enriched twice":                              {enriched: map[string]int{"a": 2, "b": 1}},
		"The board does not show what was counted":                 {board: map[string]int{"/": 1}},
		"Of 3 views 1 were enriched and 0 counted":                 {all: true, sent: 3, enriched: map[string]int{"a": 1}},
	} {
		NewWithT(t).Expect(s.verdict()).To(Equal(want))
	}
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"want at least 1": {"--views", "0"},
		"--views":         {"--views", "many"},
		"--bogus":         {"--bogus"},
		`"extra"`:         {"extra"},
	} {
		cmd := command(t.Context())
		cmd.SetArgs(args)
		cmd.SetOut(new(bytes.Buffer))
		cmd.SetErr(new(bytes.Buffer))
		NewWithT(t).Expect(cmd.Execute()).To(MatchError(And(ContainSubstring(want), Not(ContainSubstring("\n")))))
	}
}
