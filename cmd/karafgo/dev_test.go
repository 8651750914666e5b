package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
)

// plainApp is a program that only says what happens to it. VERSION is replaced.
const plainApp = `package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	fmt.Println("began VERSION", os.Args[1:], os.Getenv("KARAFGO_KAFKA__BROKERS"))
	<-signals
	fmt.Println("drained VERSION")
}
`

// stubborn is one that does not end when it is asked to.
const stubborn = `package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	fmt.Println("began stubborn")
	for range signals {
		fmt.Println("no")
	}
}
`

func TestDevRunsTheAppAnewWhenItChanges(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	dir := t.TempDir()
	main := filepath.Join(dir, "cmd", "shop", "main.go")
	save := func(text string) { write(t, main, text) }
	version := func(v string) string { return strings.ReplaceAll(plainApp, "VERSION", v) }
	write(t, filepath.Join(dir, "go.mod"), "module example.com/shop\n\ngo 1.26\n")
	save(version("one"))

	s := karafgo(t, filepath.Dir(main), "dev", "--listen", "127.0.0.1:0", "--", "--set", "x=y") // from a folder below the module
	said := func(what string) {
		t.Helper()
		g.Eventually(s.Out).Should(gbytes.Say(what))
	}
	broker := listening(t, s)
	said("there are no sample records: testdata/TOPIC.jsonl is sent to TOPIC")
	said("building ./cmd/shop")
	said(`print +began one \[server --set x=y\] ` + broker)

	save(strings.Replace(version("two"), "signals :=", "signals = ", 1))
	said(`compile +cmd/shop/main.go:\d+:\d+: undefined: signals`)
	said("./cmd/shop does not compile; the old one goes on")
	save(version("two"))
	said("stopping shop")
	said("drained one")
	said("began two .*" + broker)

	temporary := filepath.Join(dir, ".main.go~") // as editors save
	write(t, temporary, version("three"))
	g.Expect(os.Rename(temporary, main)).To(Succeed())
	said("drained two")
	said("began three")

	write(t, filepath.Join(dir, "karafgo.yaml"), "kafka: {}\n")
	said("drained three")
	said("began three")

	write(t, filepath.Join(dir, "vendor", "x", "x.go"), "package x\n")
	write(t, filepath.Join(dir, ".hidden", "x.go"), "package x\n")
	write(t, filepath.Join(dir, "cmd", "shop", "main_test.go"), "package main\n\nconst nothing = 1\n")
	write(t, filepath.Join(dir, "prices", "internal", "prices.go"), "package internal\n\nconst Tea = \"tea\"\n") // folders that were not there
	said("drained three")
	said("began three")
	write(t, filepath.Join(dir, "prices", "internal", "prices.go"), "package internal\n\nconst Tea = \"coffee\"\n")
	said("drained three")
	said("began three")

	save(strings.Replace(version("four"), "<-signals", "os.Exit(7)", 1))
	said("drained three")
	said("shop has ended by itself: exit code 7 after .*; waiting for a change")
	save(stubborn)
	said("began stubborn")
	s.Interrupt()
	said("print +no")
	said("Ctrl-C again ends it by force")
	s.Interrupt()
	g.Eventually(s).Should(gexec.Exit(exitForced))
	g.Expect(s.Out).To(gbytes.Say("shop has stopped: signal: killed"))
	g.Expect(string(s.Err.Contents())).To(Equal("error: stopped by force\n"))
}

func TestDevStopsWhateverItIsDoing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/shop\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "main.go"), strings.ReplaceAll(plainApp, "VERSION", "one"))
	for _, after := range []string{"listens on", "building", "built", "has started", "began one"} {
		g := NewWithT(t)
		s := karafgo(t, dir, "dev", "--listen", "127.0.0.1:0")
		g.Eventually(s.Out).Should(gbytes.Say(after))
		s.Interrupt()
		g.Eventually(s).Should(gexec.Exit(0))
		g.Expect(string(s.Out.Contents())).To(HaveSuffix(" karafgo stopped\n"))
		g.Expect(s.Err.Contents()).To(BeEmpty())
		if strings.Contains(string(s.Out.Contents()), "began one") {
			g.Expect(string(s.Out.Contents())).To(ContainSubstring("drained one"))
		}
	}
	g := NewWithT(t)
	a, err := findApp(dir, "")
	g.Expect(err).NotTo(HaveOccurred())
	left, err := filepath.Glob(filepath.Join(caches(), "karafgo", "apps", filepath.Base(filepath.Dir(a.binary)), "*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(HaveLen(1), "the binary, and nothing of a build that was interrupted")
}

// frameworkApp consumes orders, prices them, and refuses poison.
const frameworkApp = `package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

type order struct {
	SKU string ` + "`json:\"sku\"`" + `
}

type priced struct {
	Cents int ` + "`json:\"cents\"`" + `
}

var ordersPriced = responder.JSONTopic[priced]("orders.priced")

func price(ctx context.Context, w *responder.Writer, m *consumer.Typed[order]) error {
	if m.Payload.SKU == "POISON" {
		return errors.New("nobody sells poison")
	}
	slog.Info("pricing", "sku", m.Payload.SKU)
	return ordersPriced.Send(w, m.Key, priced{Cents: 640})
}

func routes(r *router.Router) {
	r.Declare("orders.created", router.Partitions(1))
	r.Group("pricing", func(g *router.Group) {
		g.Topic("orders.created").Each(responder.JSON(price, ordersPriced.Required())).OnFailure(router.DeadLetter("orders.dlq"))
	})
}

func main() { framework.Main(framework.Routes(routes)) }
`

// frameworkModule is the module of frameworkApp, which uses this checkout, and what this checkout uses.
func frameworkModule(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	g.Expect(err).NotTo(HaveOccurred())
	mod, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	g.Expect(err).NotTo(HaveOccurred())
	sum, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	g.Expect(err).NotTo(HaveOccurred())
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), strings.Replace(string(mod), "module github.com/karafgo/karafgo", "module example.com/shop", 1)+
		"\nrequire github.com/karafgo/karafgo v0.0.0\n\nreplace github.com/karafgo/karafgo => "+checkout+"\n")
	write(t, filepath.Join(dir, "go.sum"), string(sum))
	write(t, filepath.Join(dir, "karafgo.yaml"), "http: {listen: \"127.0.0.1:0\"}\nlog: {level: info}\n")
	write(t, filepath.Join(dir, "cmd", "shop", "main.go"), frameworkApp)
	return dir
}

// The commands that need the app share one, which takes a while to build.
func TestAppOfThisFolder(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	dir := frameworkModule(t)
	write(t, filepath.Join(dir, "cmd", "migrate", "main.go"), "package main\n\nfunc main() {}\n") // does not import the framework
	write(t, filepath.Join(dir, "testdata", "orders.created.jsonl"), `{"key":"ada","value":{"sku":"TEA"}}
{"key":"eve","value":{"sku":"POISON"}}
`)
	write(t, filepath.Join(dir, "testdata", "nobody.jsonl"), `{"value":"x"}`)
	write(t, filepath.Join(dir, "testdata", "orders.priced.jsonl"), `{"vale":"x"}`)

	s := karafgo(t, dir, "dev", "--listen", "127.0.0.1:0")
	said := func(what string) {
		t.Helper()
		g.Eventually(s.Out).Should(gbytes.Say(what))
	}
	broker := listening(t, s)
	said(`info +group joined group=pricing partitions=1`)
	said("testdata/nobody.jsonl is not sent: there is no topic nobody")
	said("sending testdata/orders.created.jsonl: 2 records to orders.created")
	said("testdata/orders.priced.jsonl is not sent: testdata/orders.priced.jsonl:1: .*vale")
	g.Eventually(func() string { return string(s.Out.Contents()) }).Should(And( // in whatever order
		MatchRegexp(`record +orders\.created/0@0 ada: {"sku":"TEA"}`),
		MatchRegexp(`info +pricing sku=TEA`),
		MatchRegexp(`record +orders\.priced/\d@0 ada: {"cents":640}`),
		MatchRegexp(`warn +handler failed group=pricing topic=orders.created partition=0 offset=1 attempt=1 error="nobody sells poison"`),
		MatchRegexp(`record +orders\.dlq/0@0 eve: {"sku":"POISON"}`),
		MatchRegexp(`handled pricing: 2 of 2 in orders\.created`),
	))
	write(t, filepath.Join(dir, "testdata", "orders.created.jsonl"), `{"key":"bob","value":{"sku":"TEA"}}`)
	said("sending testdata/orders.created.jsonl: 1 record to orders.created")
	said("handled pricing: 3 of 3 in orders.created")

	code, stdout, stderr := run(t, dir, "lag", "--brokers", broker, "--partitions=false", "-o", "json")
	g.Expect(code).To(BeZero(), stderr)
	g.Expect(stdout).To(And(ContainSubstring(`"group": "pricing"`), ContainSubstring(`"lag": 0`)))
	s.Interrupt()
	g.Eventually(s).Should(gexec.Exit(0))
	said("group stopped group=pricing clean=true")
	said("karafgo stopped")

	code, stdout, stderr = run(t, filepath.Join(dir, "testdata"), "lag", "--help")
	g.Expect(code).To(BeZero(), stderr)
	g.Expect(stdout).To(And(ContainSubstring("karafgo lag --watch"), ContainSubstring("--partitions")), "help is the app's")
	code, stdout, stderr = run(t, dir, "help", "lag")
	g.Expect(code).To(BeZero(), stderr)
	g.Expect(stdout).To(ContainSubstring("karafgo lag --watch"))

	code, stdout, stderr = run(t, dir, "__complete", "lag", "--app", "shop", "--wat")
	g.Expect(code).To(BeZero(), stderr)
	g.Expect(stdout).To(ContainSubstring("--watch\t"))

	code, stdout, stderr = run(t, filepath.Join(dir, "testdata"), "config", "show", "--app=shop") // the module's configuration
	g.Expect(code).To(BeZero(), stderr)
	g.Expect(stdout).To(ContainSubstring("listen: 127.0.0.1:0"))

	other := karafgo(t, dir, "broker", "--listen", "127.0.0.1:0")
	at := listening(t, other)
	code, _, stderr = run(t, dir, "topics", "plan", "--brokers", at)
	g.Expect(code).To(Equal(4), "the exit code is the app's: %s", stderr)
	server := karafgo(t, dir, "server", "--brokers", at, "--set", "kafka.missing_topics=create", "--app", "./cmd/shop")
	g.Eventually(server.Err).Should(gbytes.Say("group joined"))
	server.Interrupt()
	g.Eventually(server).Should(gexec.Exit(0))
	g.Expect(server.Err).To(gbytes.Say("group stopped"), "signals are the app's")
}

func TestAppThatIsNotThere(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	nothing, empty, several := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, filepath.Join(empty, "go.mod"), "module example.com/empty\n\ngo 1.26\n")
	write(t, filepath.Join(empty, "lib.go"), "package lib\n")
	write(t, filepath.Join(several, "go.mod"), "module example.com/several\n\ngo 1.26\n")
	for _, name := range []string{"mailer", "shop"} {
		write(t, filepath.Join(several, "cmd", name, "main.go"), "package main\n\nfunc main() {\n")
	}
	for _, c := range []struct {
		dir  string
		args []string
		want string
	}{
		{nothing, []string{"lag"}, "lag is a command of an app: there is no go.mod in this folder or above it"},
		{nothing, []string{"routes", "--help"}, "karafgo new"},
		{nothing, []string{"dev"}, "there is no go.mod in this folder or above it"},
		{empty, []string{"lag"}, empty + " has no program in cmd/"},
		{empty, []string{"dev", "--app", "shop"}, "--app shop: " + empty + " has no program in cmd/"},
		{several, []string{"lag", "--watch"}, "cmd/ has several programs, mailer, shop: choose one, such as --app mailer"},
		{several, []string{"dev"}, "several programs"},
		{several, []string{"lag", "--app", "shap"}, "--app shap: there is no such program in cmd/ of " + several + ": want mailer, shop"},
		{several, []string{"lag", "--app", ".."}, "want mailer, shop"},
		{several, []string{"lag", "--app", "../x"}, "is outside of the module"},
		{several, []string{"lag", "--app", "./cmd"}, "has no Go files of package main"},
		{several, []string{"lag", "--app"}, "flag needs an argument: --app: see karafgo lag --help"},
		{several, []string{"lag", "--app="}, "--app: want the name of a folder"},
		{several, []string{"dev", "extra"}, `unexpected argument "extra": flags of the app stand behind --`},
		{several, []string{"dev", "--listen", "1.2.3.4:5"}, "on this machine only"},
	} {
		code, stdout, stderr := run(t, c.dir, c.args...)
		g.Expect(code).To(Equal(exitFailed), stderr)
		g.Expect(stdout).To(BeEmpty())
		g.Expect(stderr).To(And(HavePrefix("error: "), ContainSubstring(c.want)))
		g.Expect(strings.Count(stderr, "\n")).To(Equal(1), "one line: %s", stderr)
	}
	code, _, stderr := run(t, several, "lag", "--app", "shop")
	g.Expect(code).To(Equal(exitFailed))
	g.Expect(stderr).To(And(ContainSubstring("main.go:4:1: syntax error"), HaveSuffix("error: ./cmd/shop does not compile\n")))
}

func TestKarafgoIsNoApp(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	code, _, stderr := run(t, "..", "lag", "--app", "karafgo") // in this checkout
	g.Expect(code).To(Equal(exitFailed))
	g.Expect(stderr).To(ContainSubstring("./cmd/karafgo is the karafgo command, not an app"))
}
