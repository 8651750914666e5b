package main

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
)

func TestOnceConsumesEverything(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var out, logs bytes.Buffer
	cmd := command(t.Context())
	cmd.SetArgs([]string{"--once", "-o", "json", "--orders", "900"})
	cmd.SetOut(&out)
	cmd.SetErr(&logs)
	g.Expect(cmd.Execute()).To(Succeed(), logs.String())
	var s summary
	g.Expect(json.Unmarshal(out.Bytes(), &s)).To(Succeed())
	g.Expect(s.Produced).To(Equal(900))
	g.Expect(s.CleanStop).To(BeTrue())
	g.Expect(s.Outputs).To(Equal(894), "two of three hundred articles are unknown")
	for name, topic := range groups {
		want := 900
		if topic == priced {
			want = 894
		}
		g.Expect(s.Groups[name]).To(Equal(groupSummary{Handled: want}), name)
	}
}

func TestInterruptedDemoStopsCleanly(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	cmd := command(ctx)
	cmd.SetArgs([]string{"-q"})
	cmd.SetOut(&out)
	cmd.SetErr(stopper{cancel}) // the first thing it says
	g.Expect(cmd.Execute()).To(Or(Succeed(), MatchError(context.Canceled)))
}

// stopper cancels as soon as something is written.
type stopper struct{ cancel func() }

func (s stopper) Write(p []byte) (int, error) { s.cancel(); return len(p), nil }

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-o", "xml"}, {"--orders", "0"}, {"--bogus"}, {"extra"}} {
		cmd := command(t.Context())
		cmd.SetArgs(args)
		cmd.SetOut(new(bytes.Buffer))
		cmd.SetErr(new(bytes.Buffer))
		NewWithT(t).Expect(cmd.Execute()).NotTo(Succeed())
	}
}
