package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/karafgo/karafgo/devbroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// longest is how long a demo may take that never ends; what it then leaves fails the test.
const longest = time.Minute

// runDemo runs the demo and returns the JSON object of its last line.
func runDemo(ctx context.Context, g *WithT, stderr io.Writer, args ...string) summary {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	var out bytes.Buffer
	cmd := command(ctx)
	cmd.SetArgs(append([]string{"-o", "json"}, args...))
	cmd.SetOut(&out)
	cmd.SetErr(stderr)
	g.Expect(cmd.Execute()).To(Succeed())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var s summary
	last := json.NewDecoder(strings.NewReader(lines[len(lines)-1]))
	last.DisallowUnknownFields()
	g.Expect(last.Decode(&s)).To(Succeed())
	return s
}

func startBroker(t *testing.T, g *WithT) (*devbroker.Broker, *kadm.Client) {
	t.Helper()
	b, err := devbroker.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(b.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cl.Close)
	return b, kadm.NewClient(cl)
}

func TestOnceConsumesEverything(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	s := runDemo(t.Context(), g, io.Discard, "--once", "--orders", "900")
	g.Expect(s.Produced).To(Equal(900))
	g.Expect(s.CleanStop).To(BeTrue())
	g.Expect(s.Outputs).To(Equal(894), "two of three hundred articles are unknown")
	g.Expect(s.Groups).To(Equal(map[string]groupSummary{
		"pricing": {Handled: 900}, "mail": {Handled: 900}, "audit": {Handled: 900}, "search": {Handled: 894},
	}))
}

// What an interrupted run left is consumed by the next one with --once, and the broker has what the summaries claim.
func TestAnotherClusterIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, admin := startBroker(t, g)
	brokers := b.Addrs()[0]

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := runDemo(ctx, g, &stopper{cancel: cancel}, "--brokers", brokers) // ends at its first line of progress
	g.Expect(first.CleanStop).To(BeTrue())
	g.Expect(first.Produced).To(BeNumerically(">", 0))

	second := runDemo(t.Context(), g, io.Discard, "--brokers", brokers, "--once", "--orders", "300")
	g.Expect(second.Produced).To(Equal(300))
	for name, topic := range groups {
		want := first.Produced + second.Produced
		if topic == priced {
			want = first.Outputs + second.Outputs
		}
		g.Expect(first.Groups[name].Handled+second.Groups[name].Handled).To(Equal(want), "%s: nothing twice, nothing lost", name)
		g.Expect(second.Groups[name].Lag).To(BeZero(), name)
	}
	ends, err := admin.ListEndOffsets(t.Context(), created, priced)
	g.Expect(err).NotTo(HaveOccurred())
	total := map[string]int64{}
	ends.Each(func(o kadm.ListedOffset) { total[o.Topic] += o.Offset })
	g.Expect(total).To(Equal(map[string]int64{
		created: int64(first.Produced + second.Produced), priced: int64(first.Outputs + second.Outputs),
	}))
}

func TestInterruptedDemoStopsCleanly(t *testing.T) {
	t.Parallel()
	t.Run("before it begins", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := runDemo(ctx, g, &stopper{cancel: cancel}) // the first thing it says is where the broker is
		g.Expect(s.CleanStop).To(BeTrue())
		g.Expect(s.Groups).To(HaveLen(len(groups)))
	})
	for _, after := range []time.Duration{time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond} {
		t.Run("after "+after.String(), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			interrupted, interrupt := context.WithCancel(t.Context()) // as a signal does it
			defer interrupt()
			defer context.AfterFunc(ctx, interrupt)()
			g.Expect(runDemo(interrupted, g, io.Discard).CleanStop).To(BeTrue())
		})
	}
}

// stopper cancels as soon as something is written.
type stopper struct{ cancel func() }

func (s *stopper) Write(p []byte) (int, error) { s.cancel(); return len(p), nil }

func TestAClusterThatDoesNotAnswerIsNamed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, _ := startBroker(t, g)
	addr := b.Addrs()[0]
	b.Close()
	cmd := command(t.Context())
	cmd.SetArgs([]string{"--brokers", addr})
	cmd.SetOut(new(bytes.Buffer))
	cmd.SetErr(new(bytes.Buffer))
	g.Expect(cmd.Execute()).To(MatchError(ContainSubstring(addr)))
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"want text or json": {"-o", "xml"},
		"want at least 1":   {"--orders", "0"},
		"--bogus":           {"--bogus"},
		`"extra"`:           {"extra"},
		"want host:port":    {"--brokers", ""},
		"--orders":          {"--orders", "many"},
	} {
		cmd := command(t.Context())
		cmd.SetArgs(args)
		cmd.SetOut(new(bytes.Buffer))
		cmd.SetErr(new(bytes.Buffer))
		err := cmd.Execute()
		NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring(want), Not(ContainSubstring("\n")))))
	}
}
