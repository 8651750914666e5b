package framework_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/devbroker"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
)

// TestMain makes a program of the test binary when a spec asks for one: Main ends a process and takes its signals.
func TestMain(m *testing.M) {
	if kind := os.Getenv(programEnv); kind != "" {
		program(kind)
	}
	os.Exit(m.Run()) //nolint:forbidigo // a TestMain
}

// patience bounds waiting on a loaded machine. No spec passes or fails by how long something took.
const patience = 60 * time.Second

func TestFramework(t *testing.T) { //nolint:paralleltest // specs send signals to the process
	defer goleak.VerifyNone(t,
		goleak.IgnoreAnyFunction("os/signal.loop"), // runs for ever, once for a process
		goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(patience)
	RunSpecs(t, "framework")
}

// newBroker starts a broker with a topic of n records, and returns its addresses.
func newBroker(ctx context.Context, topic string, n int) *cluster {
	GinkgoHelper()
	b, err := devbroker.Start(devbroker.Topic(topic, 1))
	Expect(err).NotTo(HaveOccurred())
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		cl.Close()
		b.Close()
	})
	for range n {
		Expect(cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("{}")}).FirstErr()).To(Succeed())
	}
	return &cluster{addrs: b.Addrs(), admin: kadm.NewClient(cl)}
}

type cluster struct {
	addrs []string
	admin *kadm.Client
}

// committed returns the offset of a group, -1 for none.
func (c *cluster) committed(ctx context.Context, group, topic string) int64 {
	GinkgoHelper()
	o, err := c.admin.FetchOffsets(ctx, group)
	Expect(err).NotTo(HaveOccurred())
	if r, ok := o.Lookup(topic, 0); ok {
		return r.At
	}
	return -1
}

// quick is a configuration for specs.
func quick(addrs []string) framework.Config {
	cfg := framework.DefaultConfig()
	cfg.Kafka.Brokers = addrs
	cfg.Group.HeartbeatInterval = 100 * time.Millisecond
	cfg.Fetch.MaxWait = 100 * time.Millisecond
	cfg.HTTP.Listen = ""
	cfg.Log.Level = "error"
	return cfg
}

// counter is a handler that counts.
type counter struct {
	mu   sync.Mutex
	seen int
}

func (c *counter) Handle(context.Context, *consumer.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen++
	return nil
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// each draws a handler of topic "t" in group "g".
func each(h consumer.Handler, verbs ...func(*router.Route)) router.Drawer {
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			route := g.Topic("t").Each(h)
			for _, v := range verbs {
				v(route)
			}
		})
	}
}

// running is a Run in the background.
type running struct {
	stop context.CancelFunc
	done chan struct{}
	err  error
}

func background(run func(ctx context.Context) error) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = run(ctx)
	}()
	DeferCleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// end waits for the end and returns how it was.
func (r *running) end() error {
	GinkgoHelper()
	Eventually(r.done).Should(BeClosed())
	return r.err
}
