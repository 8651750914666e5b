package command_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/karafgo/karafgo/devbroker"
	"github.com/karafgo/karafgo/internal/command"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// patience bounds waiting on a loaded machine. No spec passes or fails by how long something took.
const patience = 60 * time.Second

func TestCommand(t *testing.T) { //nolint:paralleltest // a suite
	defer goleak.VerifyNone(t,
		goleak.IgnoreAnyFunction("os/signal.loop"), // runs for ever, once for a process
		goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(patience)
	RunSpecs(t, "command")
}

// cluster is a broker, and whoever else uses it.
type cluster struct {
	addrs []string
	cl    *kgo.Client
	admin *kadm.Client
}

func newCluster(topics map[string]int32) *cluster {
	GinkgoHelper()
	b, err := devbroker.Start(devbroker.Topics(topics))
	Expect(err).NotTo(HaveOccurred())
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		cl.Close()
		b.Close()
	})
	return &cluster{addrs: b.Addrs(), cl: cl, admin: kadm.NewClient(cl)}
}

func (c *cluster) write(ctx context.Context, records ...*kgo.Record) {
	GinkgoHelper()
	for _, r := range records {
		Expect(c.cl.ProduceSync(ctx, r).FirstErr()).To(Succeed())
	}
}

func (c *cluster) commit(ctx context.Context, group, topic string, partition int32, at int64) {
	GinkgoHelper()
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: topic, Partition: partition, At: at, LeaderEpoch: -1})
	Expect(c.admin.CommitAllOffsets(ctx, group, o)).To(Succeed())
}

// consoleLine runs commands on a cluster.
type consoleLine struct {
	brokers []string
	routes  *router.Table
	in      string // what is typed, or piped
	asks    bool   // somebody types
	columns int
}

type answered struct {
	code           int
	stdout, stderr string
}

func (c *cluster) console() consoleLine { return consoleLine{brokers: c.addrs} }

// root is a command line as programs and karafgo have it.
func (l consoleLine) root(stdout, stderr *bytes.Buffer) *cobra.Command {
	console := &command.Console{
		Out: stdout, Err: stderr, Operator: command.Operator{In: strings.NewReader(l.in), Asks: l.asks, Columns: l.columns},
		Open: func() (*command.Site, error) {
			cfg := config.Default()
			cfg.Kafka.Brokers = l.brokers
			return &command.Site{Config: cfg, Cluster: kafka.New(cfg, nil), Routes: l.routes}, nil
		},
	}
	root := &cobra.Command{Use: "karafgo", SilenceUsage: true, SilenceErrors: true}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(console.Commands()...)
	command.Finish(root, console.Examples())
	return root
}

func (l consoleLine) run(args ...string) answered {
	var stdout, stderr bytes.Buffer
	root := l.root(&stdout, &stderr)
	root.SetArgs(args)
	code := 0
	if err := root.Execute(); err != nil {
		fmt.Fprintln(&stderr, "error:", command.Explain(err))
		code = 1
	}
	return answered{code, stdout.String(), stderr.String()}
}

// good runs a command that succeeds.
func (l consoleLine) good(args ...string) string {
	GinkgoHelper()
	a := l.run(args...)
	Expect(a.code).To(BeZero(), a.stderr)
	return a.stdout
}
