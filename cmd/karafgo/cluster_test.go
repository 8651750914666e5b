package main

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/devbroker"
)

func TestClusterCommandsNeedNoProgram(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, err := devbroker.Start(devbroker.Topic("t", 1))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(b.Close)
	for _, c := range []struct {
		want string
		args []string
	}{
		{"^wrote t/0@0\n$", []string{"produce", "t", "value", "--key", "k", "--brokers", b.Addrs()[0]}},
		{"^0@0 +\\S+ +k +value\n$", []string{"tail", "t", "--set", "kafka.brokers=" + b.Addrs()[0]}},
		{"^no groups\n$", []string{"groups", "--brokers", b.Addrs()[0]}},
	} {
		var stdout, stderr bytes.Buffer
		g.Expect(execute(c.args, &stdout, &stderr)).To(Equal(0), stderr.String())
		g.Expect(stdout.String()).To(MatchRegexp(c.want))
	}
}

func TestClusterCommandsSayWhatIsWrongInALine(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	for want, args := range map[string][]string{
		"^error: brokers 127.0.0.1:1: nothing answers; check kafka.brokers":   {"tail", "t", "--brokers", "127.0.0.1:1"},
		"^error: --set x: want path=value":                                    {"groups", "--set", "x"},
		"^error: .*kafka.broker: unknown key":                                 {"groups", "--set", "kafka.broker=x"},
		"^error: unknown command \"prodce\" for \"karafgo\".*--help":          {"prodce"},
		"^error: brokers 127.0.0.1:1: nothing answers":                        {"reset", "g", "--to", "latest", "--brokers", "127.0.0.1:1"},
		"^error: open .*not-there|not-there: cannot read the configuration: ": {"groups", "--config", "not-there"},
	} {
		var stdout, stderr bytes.Buffer
		g.Expect(execute(args, &stdout, &stderr)).To(Equal(1))
		g.Expect(stderr.String()).To(MatchRegexp(want))
		g.Expect(stdout.String()).To(BeEmpty())
	}
}
