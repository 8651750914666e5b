package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
)

// The demo starts its own program as a consumer process. Here that is the test.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "consume" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// longest is how long a demo may take that never ends; what it then leaves fails the test.
const longest = 2 * time.Minute

func runs(t *testing.T, args ...string) summary {
	t.Helper()
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	var out bytes.Buffer
	cmd := command(ctx)
	cmd.SetArgs(append([]string{"-o", "json", "--runs", "2", "--transactions", "40", "--crash", "0.2"}, args...))
	cmd.SetOut(&out)
	cmd.SetErr(t.Output())
	g.Expect(cmd.Execute()).To(Succeed())
	var s summary
	g.Expect(json.Unmarshal(out.Bytes(), &s)).To(Succeed())
	return s
}

// right runs a pattern and says what a summary has to be: 40 transactions, of which five are written twice.
func right(t *testing.T, pattern, database string, args ...string) {
	t.Helper()
	g := NewWithT(t)
	s := runs(t, append(args, "--pattern", pattern)...)
	g.Expect(s.Crashes).To(BeNumerically(">", 0))
	booked := 80
	if pattern == stored {
		booked = 90 // it does not know the producer's copies
	}
	g.Expect(s).To(Equal(summary{
		Pattern: pattern, Database: database, Crash: 0.2, Runs: 2, Right: 2, Records: 90, Booked: booked, Crashes: s.Crashes, BooksRight: true,
	}))
}

func TestSQLiteBalancesAreRightWhateverCrashes(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{dedupe, stored, both} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			right(t, pattern, "SQLite")
		})
	}
}

func TestPostgreSQLBalancesAreRightWhateverCrashes(t *testing.T) {
	t.Parallel()
	url := os.Getenv("KARAFGO_TEST_POSTGRES")
	if url == "" {
		t.Skip("it needs PostgreSQL: set KARAFGO_TEST_POSTGRES")
	}
	for _, pattern := range []string{dedupe, stored, both} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			right(t, pattern, "PostgreSQL", "--postgres", url)
		})
	}
}

func TestInterruptedDemoStopsCleanly(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{
		"at once": 0, "while it starts": 20 * time.Millisecond, "while it runs": 500 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, interrupt := context.WithCancel(t.Context()) // as a signal does it
			defer interrupt()
			defer time.AfterFunc(after, interrupt).Stop()
			s, err := demo(ctx, options{pattern: dedupe, crash: 0.2, transactions: 60}, io.Discard)
			g := NewWithT(t)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.BooksRight).To(BeTrue())
		})
	}
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"want dedupe, offsets or both": {"--pattern", "hope"},
		"from 0 to less than 1":        {"--crash", "1"},
		"--runs 0: want at least 1":    {"--runs", "0"},
		"--transactions 0":             {"--transactions", "0"},
		"want text or json":            {"-o", "xml"},
		"--postgres":                   {"--once", "--postgres", "postgres://%"},
		"--bogus":                      {"--bogus"},
		`"extra"`:                      {"extra"},
	} {
		cmd := command(t.Context())
		cmd.SetArgs(args)
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		NewWithT(t).Expect(cmd.Execute()).To(MatchError(And(ContainSubstring(want), Not(ContainSubstring("\n")))))
	}
}
