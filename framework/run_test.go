package framework_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
)

var errBad = errors.New("bad record")

func failing(context.Context, *consumer.Message) error { return errBad }

var _ = Describe("Run", func() {
	It("consumes until its context ends, commits and returns nil", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 20)
		seen := &counter{}
		var order []string
		mark := func(name string) consumer.Middleware {
			return func(next consumer.BatchHandler) consumer.BatchHandler {
				return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
					if seen.count() == 0 {
						order = append(order, name)
					}
					return next.HandleBatch(ctx, b)
				})
			}
		}
		assigned := make(chan struct{}, 10)
		r := background(func(ctx context.Context) error {
			return framework.Run(ctx, quick(c.addrs),
				fx.Provide(func() *counter { return seen }),
				framework.Use(mark("first"), mark("second")),
				framework.Routes(func(h *counter) router.Drawer { return each(h) }),
				framework.Use(mark("third")),
				framework.Callbacks(callbacks.On(func(context.Context, callbacks.Committed) {})),
				framework.Hooks(callbacks.Hooks{OnAssigned: func(context.Context, string, callbacks.Partitions) error {
					assigned <- struct{}{}
					return nil
				}}),
			)
		})
		Eventually(seen.count).Should(Equal(20))
		r.stop()
		Expect(r.end()).To(Succeed())
		Expect(c.committed(ctx, "g", "t")).To(BeEquivalentTo(20))
		Expect(order).To(Equal([]string{"first", "second", "third"}))
		Expect(assigned).To(HaveLen(1))
	})

	It("F84 refuses a context that has ended, twice, and starts nothing", func(ctx SpecContext) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		made := false
		for range 2 {
			err := framework.Run(ended, quick([]string{"127.0.0.1:1"}), fx.Invoke(func() { made = true }), framework.Routes(each(&counter{})))
			Expect(err).To(MatchError(context.Canceled))
			Expect(err).To(BeAssignableToTypeOf(&framework.StartError{}))
		}
		Expect(made).To(BeFalse())
	})

	It("F84 runs again after it ran, with the same options", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 1)
		seen := &counter{}
		opts := framework.Routes(each(seen))
		for range 2 {
			assigned := make(chan struct{})
			r := background(func(ctx context.Context) error {
				return framework.Run(ctx, quick(c.addrs), opts,
					framework.Callbacks(callbacks.On(func(context.Context, callbacks.Assigned) { close(assigned) })))
			})
			Eventually(assigned).Should(BeClosed())
			Eventually(seen.count).Should(Equal(1))
			r.stop()
			Expect(r.end()).To(Succeed())
		}
		Expect(seen.count()).To(Equal(1))
	})

	It("F30 F87 fails within boot_timeout on a closed port, naming the address", func(ctx SpecContext) {
		cfg := quick([]string{closedPort(ctx)})
		cfg.Kafka.BootTimeout = time.Second
		err := framework.Run(ctx, cfg, framework.Routes(each(&counter{})))
		Expect(err).To(BeAssignableToTypeOf(&framework.StartError{}))
		Expect(err).To(MatchError(ContainSubstring(cfg.Kafka.Brokers[0])))
		Expect(framework.ExitCode(err)).To(Equal(framework.ExitStart))
	})

	It("F87 fails within boot_timeout when nothing answers, or nothing has the name", func(ctx SpecContext) {
		var lc net.ListenConfig
		silent, err := lc.Listen(ctx, "tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(silent.Close)
		for _, address := range []string{silent.Addr().String(), "no-such-host.invalid:9092"} {
			cfg := quick([]string{address})
			cfg.Kafka.BootTimeout = time.Second
			err := framework.Run(ctx, cfg, framework.Routes(each(&counter{})))
			Expect(err).To(BeAssignableToTypeOf(&framework.StartError{}))
			Expect(err).To(MatchError(ContainSubstring(address)))
		}
	}, NodeTimeout(patience))

	It("F84 ends when its context ends while it starts", func(ctx SpecContext) {
		var lc net.ListenConfig
		silent, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(silent.Close)
		cfg := quick([]string{silent.Addr().String()})
		cfg.Kafka.BootTimeout = 10 * patience
		var hooks []string
		started := make(chan struct{})
		r := background(func(ctx context.Context) error {
			return framework.Run(ctx, cfg, framework.Routes(each(&counter{})), fx.Provide(func(lc fx.Lifecycle) *counter {
				lc.Append(fx.StartStopHook(func() { close(started) }, func() { hooks = append(hooks, "stopped") }))
				return nil
			}), framework.Routes(func(*counter) router.Drawer { return func(*router.Router) {} }))
		})
		Eventually(started).Should(BeClosed())
		r.stop()
		Expect(r.end()).To(BeAssignableToTypeOf(&framework.StartError{}))
		Expect(hooks).To(Equal([]string{"stopped"}), "what had started is stopped again")
	})

	It("F88 fails on a topic that does not exist, naming it and the remedy", func(ctx SpecContext) {
		c := newBroker(ctx, "other", 0)
		err := framework.Run(ctx, quick(c.addrs), framework.Routes(each(&counter{})))
		Expect(err).To(MatchError(And(ContainSubstring("topics do not exist: t"), ContainSubstring("kafka.missing_topics"))))
	})

	It("F86 reports every mistake of the routes and the configuration, one a line", func(ctx SpecContext) {
		cfg := quick([]string{"127.0.0.1:1"})
		cfg.Group.Drain = -time.Second
		cfg.Fetch.MaxPollRecords = 0
		err := framework.Run(ctx, cfg, framework.Routes(func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("t")
				g.Topic("no/name").Each(nil)
			})
		}))
		Expect(err).To(BeAssignableToTypeOf(&framework.StartError{}))
		Expect(err).To(MatchError(And(
			ContainSubstring("group.drain"), ContainSubstring("fetch.max_poll_records"),
			ContainSubstring("no consuming mode"), ContainSubstring("Each(nil)"), ContainSubstring("run_test.go:"),
			ContainSubstring("no/name"),
		)))
	})

	It("F86 refuses overrides of what no route draws", func(ctx SpecContext) {
		cfg := quick([]string{"127.0.0.1:1"})
		one := 1
		cfg.Topics = map[string]framework.TopicConfig{"tt": {Concurrency: &one}}
		Expect(framework.Run(ctx, cfg, framework.Routes(each(&counter{})))).To(MatchError(ContainSubstring("tt")))
	})

	It("tells what a constructor said, without the container's story", func(ctx SpecContext) {
		errNoDatabase := errors.New("connect database: no route to host")
		err := framework.Run(ctx, quick(nil), fx.Provide(func() (*counter, error) { return nil, errNoDatabase }),
			framework.Routes(func(h *counter) router.Drawer { return each(h) }))
		Expect(err).To(MatchError("could not start: connect database: no route to host"))
		err = framework.Run(ctx, quick(nil), framework.Routes(func(h *counter) router.Drawer { return each(h) }))
		Expect(err).To(MatchError(And(ContainSubstring("missing type"), ContainSubstring("counter"))))
	})

	DescribeTable("refuses what is no route", func(ctx SpecContext, what any) {
		Expect(framework.Run(ctx, quick(nil), framework.Routes(what))).To(MatchError(ContainSubstring("router.Drawer")))
	},
		Entry("nil", nil),
		Entry("a value", 7),
		Entry("a function that returns nothing", func() {}),
		Entry("a nil function", (func() router.Drawer)(nil)),
		Entry("a nil drawer", router.Drawer(nil)),
	)

	It("says what an error of a drawer's constructor is", func(ctx SpecContext) {
		Expect(framework.Run(ctx, quick(nil), framework.Routes(func() (router.Drawer, error) { return nil, errBad }))).
			To(MatchError("could not start: bad record"))
	})

	It("returns a FatalError when a route draws Stop", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 1)
		err := framework.Run(ctx, quick(c.addrs), framework.Routes(each(consumer.HandlerFunc(failing), func(r *router.Route) { r.OnFailure(router.Stop) })))
		Expect(err).To(BeAssignableToTypeOf(&framework.FatalError{}))
		Expect(err).To(MatchError(errBad))
		Expect(framework.ExitCode(err)).To(Equal(framework.ExitFatal))
		Expect(c.committed(ctx, "g", "t")).To(BeNumerically("<=", 0))
	})

	It("returns ErrForced when a handler does not return", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 1)
		in, out := make(chan struct{}), make(chan struct{})
		DeferCleanup(func() { close(out) })
		cfg := quick(c.addrs)
		cfg.Shutdown.Drain, cfg.Shutdown.Grace = 0, 50*time.Millisecond
		r := background(func(ctx context.Context) error {
			return framework.Run(ctx, cfg, framework.Routes(each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error {
				close(in)
				<-out
				return nil
			}))))
		})
		Eventually(in).Should(BeClosed())
		r.stop()
		Expect(r.end()).To(MatchError(framework.ErrForced))
		Expect(framework.ExitCode(r.err)).To(Equal(framework.ExitForced))
	})

	It("ends when somebody calls fx.Shutdowner", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 1)
		Expect(framework.Run(ctx, quick(c.addrs), framework.Routes(func(s fx.Shutdowner) router.Drawer {
			return each(consumer.HandlerFunc(func(context.Context, *consumer.Message) error { return s.Shutdown() }))
		}))).To(Succeed())
		Expect(c.committed(ctx, "g", "t")).To(BeEquivalentTo(1))
	})

	It("serves metrics and probes", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 3)
		cfg := quick(c.addrs)
		cfg.HTTP.Listen = closedPort(ctx)
		seen := &counter{}
		r := background(func(ctx context.Context) error { return framework.Run(ctx, cfg, framework.Routes(each(seen))) })
		get := func(path string) func() (string, error) {
			return func() (string, error) { return fetch(ctx, "http://"+cfg.HTTP.Listen+path) }
		}
		Eventually(get("/healthz/ready")).Should(HavePrefix("200"))
		Expect(get("/healthz/startup")()).To(HavePrefix("200"))
		Expect(get("/healthz/live")()).To(HavePrefix("200"))
		Eventually(get("/metrics")).Should(And(
			ContainSubstring(`karafgo_messages_processed_total{group="g",status="success",topic="t"} 3`),
			ContainSubstring(`karafgo_lag{group="g",partition="0",topic="t"} 0`),
			ContainSubstring("go_goroutines"),
		))
		r.stop()
		Expect(r.end()).To(Succeed())
		_, err := get("/metrics")()
		Expect(err).To(HaveOccurred())
	})

	It("cannot start on a port in use, and says how to mend it", func(ctx SpecContext) {
		var lc net.ListenConfig
		taken, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(taken.Close)
		cfg := quick([]string{"127.0.0.1:1"})
		cfg.HTTP.Listen = taken.Addr().String()
		err = framework.Run(ctx, cfg, framework.Routes(each(&counter{})))
		Expect(err).To(BeAssignableToTypeOf(&framework.StartError{}))
		Expect(err).To(MatchError(And(ContainSubstring("http.listen"), ContainSubstring(cfg.HTTP.Listen), ContainSubstring("another address"))))
	})

	It("imports no fake broker", func(ctx SpecContext) {
		deps, err := exec.CommandContext(ctx, "go", "list", "-deps", ".").Output()
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Fields(string(deps))).To(ContainElement("github.com/karafgo/karafgo/internal/engine"))
		Expect(string(deps)).NotTo(ContainSubstring("kfake"))
	})
})

var _ = Describe("Module", func() {
	It("starts and drains with an application of others", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 5)
		seen := &counter{}
		var open bool
		app := fxtest.New(GinkgoT(),
			fx.Provide(func(lc fx.Lifecycle) *counter {
				lc.Append(fx.Hook{
					OnStart: func(context.Context) error { open = true; return nil },
					OnStop:  func(context.Context) error { open = false; return nil },
				})
				return seen
			}),
			framework.Routes(func(h *counter) router.Drawer {
				return each(consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
					if !open {
						return errBad
					}
					return h.Handle(ctx, m)
				}))
			}),
			framework.Module(quick(c.addrs)),
			fx.NopLogger,
		)
		app.RequireStart()
		Eventually(seen.count).Should(Equal(5))
		app.RequireStop()
		Expect(c.committed(ctx, "g", "t")).To(BeEquivalentTo(5))
		Expect(open).To(BeFalse())
	})

	It("F84 stops before it started", func(ctx SpecContext) {
		app := fx.New(framework.Module(quick([]string{"127.0.0.1:1"})), framework.Routes(each(&counter{})), fx.NopLogger)
		Expect(app.Err()).NotTo(HaveOccurred())
		Expect(app.Stop(ctx)).To(Succeed())
	})

	It("shuts the application down with exit code 3 on a fatal error", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 1)
		app := fx.New(framework.Module(quick(c.addrs)), fx.NopLogger,
			framework.Routes(each(consumer.HandlerFunc(failing), func(r *router.Route) { r.OnFailure(router.Stop) })))
		ended := app.Wait()
		Expect(app.Start(ctx)).To(Succeed())
		var signal fx.ShutdownSignal
		Eventually(ended).Should(Receive(&signal))
		Expect(signal.ExitCode).To(Equal(framework.ExitFatal))
		Expect(app.Stop(ctx)).To(MatchError(errBad))
	})

	It("does not start the application when it cannot", func(ctx SpecContext) {
		cfg := quick([]string{closedPort(ctx)})
		cfg.Kafka.BootTimeout = time.Second
		app := fx.New(framework.Module(cfg), framework.Routes(each(&counter{})), fx.NopLogger)
		Expect(app.Start(ctx)).To(MatchError(ContainSubstring(cfg.Kafka.Brokers[0])))
	})
})

// closedPort returns an address where nothing listens.
func closedPort(ctx context.Context) string {
	GinkgoHelper()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	Expect(l.Close()).To(Succeed())
	return l.Addr().String()
}

// fetch returns status and body. It keeps no connection.
func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var b strings.Builder
	_, _ = fmt.Fprint(&b, resp.StatusCode, " ")
	if err := resp.Write(&b); err != nil {
		return "", err
	}
	return b.String(), nil
}
