package framework_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
)

const programEnv = "KARAFGO_TEST_PROGRAM_OF_THE_SPECS"

// program is the main function of a program under test: it tells on standard output how far it is.
func program(kind string) {
	_ = os.Unsetenv(programEnv) // it is not configuration
	say := func(text string) { _, _ = fmt.Fprintln(os.Stdout, text) }
	var once sync.Once
	handler := consumer.HandlerFunc(func(ctx context.Context, _ *consumer.Message) error {
		once.Do(func() { say("handling") })
		switch kind {
		case "stuck":
			select {}
		case "slow":
			<-ctx.Done() // returns when the drain is over
		case "fatal":
			return errors.New("the disk is full")
		}
		return nil
	})
	routes := framework.Routes(each(handler, func(r *router.Route) {
		if kind == "fatal" {
			r.OnFailure(router.Stop)
		}
	}))
	if kind == "library" {
		_ = framework.Run(context.Background(), quick(os.Args[1:]), routes)
		os.Exit(framework.ExitClean) //nolint:forbidigo // a main function
	}
	framework.Main(
		routes,
		framework.Callbacks(
			callbacks.On(func(context.Context, callbacks.Stopping) { say("stopping") }),
			callbacks.On(func(_ context.Context, e callbacks.Paused) { say("paused by " + e.Reason) }),
			callbacks.On(func(_ context.Context, e callbacks.Resumed) { say("resumed from " + e.Reason) }),
		),
	)
}

// child is a program in a process of its own.
type child struct {
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stderr bytes.Buffer
}

func start(ctx context.Context, kind string, args ...string) *child {
	GinkgoHelper()
	c := &child{cmd: exec.CommandContext(ctx, os.Args[0], args...)}
	c.cmd.Env = append(os.Environ(), programEnv+"="+kind)
	c.cmd.Stderr = &c.stderr
	out, err := c.cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	c.lines = bufio.NewScanner(out)
	Expect(c.cmd.Start()).To(Succeed())
	DeferCleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// says reads lines until the program says text.
func (c *child) says(text string) {
	GinkgoHelper()
	for c.lines.Scan() {
		if c.lines.Text() == text {
			return
		}
	}
	Fail(fmt.Sprintf("program ended without %q: %s", text, c.stderr.String()))
}

func (c *child) signal(s os.Signal) {
	GinkgoHelper()
	Expect(c.cmd.Process.Signal(s)).To(Succeed())
}

// exit waits for the end of the program and returns its code.
func (c *child) exit() int {
	GinkgoHelper()
	for c.lines.Scan() { // Wait wants all to be read
	}
	_ = c.cmd.Wait() // its code says it all
	return c.cmd.ProcessState.ExitCode()
}

var _ = Describe("Main", func() {
	server := func(ctx context.Context, kind string, more ...string) (*cluster, *child) {
		GinkgoHelper()
		c := newBroker(ctx, "t", 3)
		args := append([]string{
			"--brokers", strings.Join(c.addrs, ","), "--set", "http.listen=127.0.0.1:0", "--set", "log.format=json",
		}, more...)
		return c, start(ctx, kind, args...)
	}

	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		It(fmt.Sprintf("F79 drains at %s, commits, and exits with 0", s), func(ctx SpecContext) {
			c, p := server(ctx, "plain")
			p.says("handling")
			p.signal(s)
			Expect(p.exit()).To(Equal(framework.ExitClean), p.stderr.String())
			Expect(c.committed(ctx, "g", "t")).To(BeNumerically(">=", 1))
			for line := range strings.Lines(p.stderr.String()) {
				Expect(json.Valid([]byte(line))).To(BeTrue(), line)
			}
			Expect(p.stderr.String()).To(And(ContainSubstring("serving metrics and probes"), ContainSubstring("group stopped")))
		})
	}

	It("forces at the second signal and exits with 2", func(ctx SpecContext) {
		_, p := server(ctx, "stuck", "--set", "shutdown.drain=10m", "--set", "shutdown.grace=100ms")
		p.says("handling")
		p.signal(syscall.SIGTERM)
		p.says("stopping")
		p.signal(syscall.SIGTERM)
		Expect(p.exit()).To(Equal(framework.ExitForced), p.stderr.String())
		Expect(p.stderr.String()).To(ContainSubstring("error: stopped by force"))
	})

	It("exits with 3 when it cannot go on, and says why", func(ctx SpecContext) {
		_, p := server(ctx, "fatal")
		Expect(p.exit()).To(Equal(framework.ExitFatal), p.stderr.String())
		Expect(p.stderr.String()).To(ContainSubstring("the disk is full"))
	})

	It("is quiet from SIGTSTP to SIGCONT, and writes what it does at SIGUSR1", func(ctx SpecContext) {
		_, p := server(ctx, "stuck", "--set", "shutdown.drain=0s", "--set", "shutdown.grace=100ms")
		p.says("handling")
		p.signal(syscall.SIGUSR1)
		p.signal(syscall.SIGTSTP)
		p.says("paused by quiet")
		p.signal(syscall.SIGCONT)
		p.says("resumed from quiet")
		p.signal(syscall.SIGUSR1)
		p.signal(syscall.SIGTSTP)
		p.says("paused by quiet") // what came before is done
		p.signal(syscall.SIGTERM)
		Expect(p.exit()).To(Equal(framework.ExitForced), p.stderr.String())
		Expect(p.stderr.String()).To(And(ContainSubstring("karafgo: 1 group, 1 partition at"), ContainSubstring("handling offset 0 for")))
	})

	It("is alone in taking signals: Run leaves them to the program", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 1)
		p := start(ctx, "library", c.addrs...)
		p.says("handling")
		p.signal(syscall.SIGTERM)
		Expect(p.exit()).To(Equal(-1), "killed by the signal")
	})

	It("F30 exits with 1 and one line when the cluster does not answer", func(ctx SpecContext) {
		address := closedPort(ctx)
		p := start(ctx, "plain", "server", "--brokers", address,
			"--set", "kafka.boot_timeout=1s", "--set", "http.listen=", "--set", "log.level=error")
		Expect(p.exit()).To(Equal(framework.ExitStart))
		Expect(p.stderr.String()).To(And(HavePrefix("error: could not start: "), ContainSubstring(address)))
		Expect(strings.Count(p.stderr.String(), "\n")).To(Equal(1), p.stderr.String())
	})
})

var _ = Describe("The command line", func() {
	// run returns exit code, standard output and standard error.
	run := func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		code := framework.Execute(args, &stdout, &stderr, []fx.Option{framework.Routes(each(&counter{}))})
		return code, stdout.String(), stderr.String()
	}

	It("F31 says once what the client says many times", func(ctx SpecContext) {
		p := start(ctx, "plain", "--brokers", closedPort(ctx), "--set", "kafka.boot_timeout=1s", "--set", "http.listen=", "--set", "log.format=json")
		Expect(p.exit()).To(Equal(framework.ExitStart))
		Expect(strings.Count(p.stderr.String(), "unable to open connection to broker")).To(Equal(1), p.stderr.String())
	})

	It("explains itself, exit codes included", func() {
		code, stdout, stderr := run("--help")
		Expect(code).To(Equal(0))
		Expect(stderr).To(BeEmpty())
		Expect(stdout).To(And(ContainSubstring("server"), ContainSubstring("routes"), ContainSubstring("--set"),
			ContainSubstring("2 stopped by force")))
	})

	It("prints the routes", func() {
		code, stdout, stderr := run("routes")
		Expect(code).To(Equal(0), stderr)
		Expect(stdout).To(MatchRegexp(`(?m)^GROUP +TOPIC`))
		Expect(stdout).To(MatchRegexp(`(?m)^g +t +each`))
	})

	It("leaves out what is excluded, and refuses names that nobody draws", func() {
		code, stdout, _ := run("routes", "--include-groups", "g", "--include-topics", "t")
		Expect(code).To(Equal(framework.ExitClean))
		Expect(stdout).To(ContainSubstring("each"))
		code, _, stderr := run("routes", "--exclude-topics", "t")
		Expect(code).To(Equal(framework.ExitStart))
		Expect(stderr).To(ContainSubstring("nothing is left to consume"))
		code, _, stderr = run("routes", "--exclude-groups", "gg,g2", "--include-topics", "tt")
		Expect(code).To(Equal(framework.ExitStart))
		Expect(stderr).To(And(
			ContainSubstring(`flag: routes.exclude_groups: "gg": no route draws this group; did you mean g?`),
			ContainSubstring(`flag: routes.exclude_groups: "g2": no route draws this group`),
			ContainSubstring(`flag: routes.include_topics: "tt": no route draws this topic`)))
	})

	It("prints the routes as JSON", func() {
		code, stdout, stderr := run("routes", "-o", "json")
		Expect(code).To(Equal(0), stderr)
		var table struct {
			Groups []struct {
				Routes []struct {
					Topic string `json:"topic"`
				} `json:"routes"`
			} `json:"groups"`
		}
		Expect(json.Unmarshal([]byte(stdout), &table)).To(Succeed())
		Expect(table.Groups).To(HaveLen(1))
		Expect(table.Groups[0].Routes[0].Topic).To(Equal("t"))
	})

	It("checks configuration and routes", func() {
		code, stdout, _ := run("config", "check")
		Expect(code).To(Equal(0))
		Expect(stdout).To(ContainSubstring("right"))
	})

	It("shows the configuration with file, environment and flags, in that order", func() {
		file := filepath.Join(GinkgoT().TempDir(), "app.yaml")
		Expect(os.WriteFile(file, []byte("shutdown: {drain: 1s, grace: 1s}\nkafka: {client_id: file, brokers: ['a:1']}\n"), 0o600)).To(Succeed())
		GinkgoT().Setenv("KARAFGO_SHUTDOWN__DRAIN", "2s")
		GinkgoT().Setenv("KARAFGO_SHUTDOWN__GRACE", "2s")
		code, stdout, stderr := run("config", "show", "--config", file, "--set", "shutdown.grace=3s", "--brokers", "b:1,c:1")
		Expect(code).To(Equal(0), stderr)
		Expect(stdout).To(And(ContainSubstring("client_id: file"), ContainSubstring("drain: 2s"), ContainSubstring("grace: 3s"),
			ContainSubstring("b:1"), Not(ContainSubstring("a:1"))))
	})

	DescribeTable("says what is wrong in a line each, and exits with 1", func(args []string, lines ...string) {
		code, stdout, stderr := run(args...)
		Expect(code).To(Equal(framework.ExitStart))
		Expect(stdout).To(BeEmpty())
		Expect(stderr).To(HavePrefix("error: "))
		got := strings.Split(strings.TrimSpace(stderr), "\n")
		Expect(got).To(HaveLen(len(lines)), stderr)
		for _, l := range lines {
			Expect(stderr).To(ContainSubstring(l))
		}
	},
		Entry("unknown command", []string{"serve"}, `"serve"`),
		Entry("unknown flag", []string{"server", "--broker", "a:1"}, "--broker"),
		Entry("F86 several keys", []string{"config", "check", "--set", "shutdown.dran=1s", "--set", "commit.interval=soon"},
			"shutdown.drain", "commit.interval"),
		Entry("F86 a flag that sets nothing, beside a wrong key", []string{"server", "--set", "shutdown", "--set", "log.level=loud"},
			"--set shutdown", "log.level"),
		Entry("a file that is not there", []string{"server", "--config", "no-such.yaml"}, "no-such.yaml"),
		Entry("an output that there is not", []string{"routes", "-o", "xml"}, "-o xml"),
	)

	It("prints every mistake of the routes", func() {
		var stdout, stderr bytes.Buffer
		code := framework.Execute([]string{"routes"}, &stdout, &stderr, []fx.Option{framework.Routes(func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("t")
				g.Topic("u").Each(nil)
			})
		})})
		Expect(code).To(Equal(framework.ExitStart))
		Expect(strings.Count(stderr.String(), "main_test.go:")).To(Equal(2))
		Expect(stderr.String()).NotTo(ContainSubstring("goroutine"))
	})
})
