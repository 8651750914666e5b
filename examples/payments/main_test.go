package main

import (
	"bytes"
	"context"
	"encoding/json"
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

// Everything at once, on a broker: the bank is slow, busy, and down for a while.
func TestOnceBooksEverything(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	bank := NewBank()
	bank.outageEvery = 700
	const n = 1000
	s, err := demo(ctx, bank, options{once: true, payments: n}, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())

	now := time.Now()
	foreign, old, poison := 0, 0, []string{}
	for i := range n {
		rec, good := nth(i, now)
		var p Payment
		switch unreadable := json.Unmarshal(rec.Value, &p) != nil; {
		case unreadable:
			poison = append(poison, string(rec.Key)+": decode json value")
		case p.Cents < 0:
			poison = append(poison, string(rec.Key)+": the bank refuses it")
		case good == 0:
			old++
		case p.Abroad:
			foreign++
		}
	}
	letters := make([]string, len(s.letters))
	for i, l := range s.letters {
		letters[i] = l.account + ": " + l.reason
	}
	g.Expect(letters).To(HaveLen(len(poison)))
	for _, p := range poison {
		g.Expect(letters).To(ContainElement(HavePrefix(p)))
	}
	g.Expect(poison).To(HaveLen(5))
	g.Expect(s.balances).To(Equal(s.want))
	g.Expect(s.disordered).To(BeZero())
	g.Expect(s.bank.cleared).To(Equal(foreign))
	g.Expect(s.expired).To(Equal(old))
	g.Expect(s.bank.booked).To(Equal(n - old - len(poison)))
	g.Expect(s.bank.outages).To(BeNumerically(">", 0))
	g.Expect(s.lag).To(BeZero())
	g.Expect(s.clean).To(BeTrue())

	var out bytes.Buffer
	s.write(&out)
	g.Expect(out.String()).To(ContainSubstring("Balances are right, accounts are in order, stopped cleanly."))
	for line := range strings.Lines(out.String()) {
		g.Expect(utf8.RuneCountInString(strings.TrimSpace(line))).To(BeNumerically("<=", 80), line)
	}
}

func TestInterruptedDemoStopsCleanly(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{
		"at once": 0, "while it joins": 5 * time.Millisecond, "while it runs": 500 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			ctx, interrupt := context.WithCancel(t.Context()) // as a signal does it
			defer interrupt()
			defer time.AfterFunc(after, interrupt).Stop()
			s, err := demo(ctx, NewBank(), options{}, io.Discard)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.clean).To(BeTrue())
			g.Expect(s.disordered).To(BeZero())
		})
	}
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"want at least 1": {"--payments", "0"},
		"--payments":      {"--payments", "many"},
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
