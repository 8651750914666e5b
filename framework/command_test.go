package framework_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/fx"
	"go.yaml.in/yaml/v3"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
)

// letters is a program with dead letters: those of "t" go to "t.dlq".
func letters(r *router.Router) {
	r.Declare("t", router.Partitions(2))
	r.Group("g", func(g *router.Group) {
		g.Topic("t").Each(consumer.HandlerFunc(failing)).OnFailure(router.RetryLater(time.Second), router.DeadLetter("t.dlq"))
	})
}

// commandLine runs commands of a program on a cluster.
type commandLine struct {
	brokers []string
	program fx.Option
}

type answered struct {
	code           int
	stdout, stderr string
}

func (c commandLine) run(args ...string) answered {
	return c.with(func(out, err *bytes.Buffer, all []string) int {
		return framework.Execute(all, out, err, []fx.Option{c.program})
	}, args)
}

// ask runs a command on a terminal, where somebody types an answer.
func (c commandLine) ask(answer string, args ...string) answered {
	return c.with(func(out, err *bytes.Buffer, all []string) int {
		return framework.ExecuteAsking(answer, all, out, err, []fx.Option{c.program})
	}, args)
}

func (c commandLine) with(execute func(out, err *bytes.Buffer, all []string) int, args []string) answered {
	var stdout, stderr bytes.Buffer
	code := execute(&stdout, &stderr, append(args, "--brokers", strings.Join(c.brokers, ",")))
	return answered{code, stdout.String(), stderr.String()}
}

// good runs a command that succeeds.
func (c commandLine) good(args ...string) string {
	GinkgoHelper()
	a := c.run(args...)
	Expect(a.code).To(Equal(framework.ExitClean), a.stderr)
	return a.stdout
}

// letter writes a dead letter of "t" by hand.
func (c *cluster) letter(ctx context.Context, value, kind string) {
	GinkgoHelper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...))
	Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	h := func(name, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: name, Value: []byte(value)} }
	Expect(cl.ProduceSync(ctx, &kgo.Record{Topic: "t.dlq", Key: []byte("k"), Value: []byte(value), Headers: []kgo.RecordHeader{
		h("trace", "\xff\x00"), h(consumer.HeaderSourceTopic, "t"), h(consumer.HeaderSourcePartition, "0"), h(consumer.HeaderSourceOffset, "7"),
		h(consumer.HeaderSourceGroup, "g"), h(consumer.HeaderAttempts, "3"), h(consumer.HeaderError, kind+"\n\x1b[31m happened"),
		h(consumer.HeaderErrorType, "*"+kind), h(consumer.HeaderFailedAt, "2026-11-21T06:30:00Z"),
	}}).FirstErr()).To(Succeed())
}

// unmarshalled is what a command printed as JSON or YAML.
func unmarshalled(text string, unmarshal func([]byte, any) error) (v any) {
	GinkgoHelper()
	Expect(unmarshal([]byte(text), &v)).To(Succeed(), text)
	return v
}

var _ = Describe("topics", func() {
	program := func(ctx context.Context) (*cluster, commandLine) {
		c := newBroker(ctx, "t", 0)
		return c, commandLine{c.addrs, framework.Routes(router.Drawer(letters))}
	}

	It("are compared, made and listed", func(ctx SpecContext) {
		_, p := program(ctx)
		planned := p.run("topics", "plan")
		Expect(planned).To(Equal(answered{code: framework.ExitDiffers, stdout: `TOPIC         ACTION          WHAT
t             add partitions  1 to 2
t.dlq         create          2 partitions, default replication
t.g.retry.1s  create          2 partitions, default replication

3 changes to apply, 0 left to you
`}))
		Expect(p.good("topics", "list")).To(Equal(`TOPIC         PARTITIONS  REPLICATION  ROLE
t             1           1            consumed by g
t.dlq         missing     -            dead letters of t
t.g.retry.1s  missing     -            retries of t in g
`))
		Expect(p.good("topics", "apply", "--yes")).To(Equal(planned.stdout + `add partitions t: done
create t.dlq: done
create t.g.retry.1s: done
`))
		Expect(p.good("topics", "plan")).To(Equal("every topic is as the program wants it\n"))
		Expect(p.good("topics", "apply")).To(Equal("every topic is as the program wants it\n"), "nobody is asked about nothing")
		Expect(p.good("topics", "list")).To(MatchRegexp(`(?m)^t\.dlq +2 +1 +dead letters of t$`))
	}, NodeTimeout(patience))

	It("are changed only when somebody says yes", func(ctx SpecContext) {
		c, p := program(ctx)
		nobody := p.run("topics", "apply")
		Expect(nobody.code).To(Equal(framework.ExitStart))
		Expect(nobody.stderr).To(And(HavePrefix("error: standard input is no terminal"), ContainSubstring("--yes")))
		for _, answer := range []string{"n\n", "\n", "", "yess\n"} {
			a := p.ask(answer, "topics", "apply")
			Expect(a.code).To(Equal(framework.ExitStart))
			Expect(a.stdout).To(ContainSubstring("Apply 3 changes? [y/N]"))
			Expect(a.stderr).To(Equal("error: not confirmed, nothing was changed\n"))
		}
		topics, err := c.admin.ListTopics(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(topics.Names()).To(Equal([]string{"t"}))
		Expect(p.ask("y\n", "topics", "apply").code).To(Equal(framework.ExitClean))
	}, NodeTimeout(patience))

	It("are printed for programs, and what is for people is beside it", func(ctx SpecContext) {
		_, p := program(ctx)
		planned := p.run("topics", "plan", "-o", "json")
		Expect(planned.code).To(Equal(framework.ExitDiffers))
		Expect(planned.stderr).To(BeEmpty())
		Expect(unmarshalled(planned.stdout, json.Unmarshal)).To(ContainElement(Equal(map[string]any{
			"topic": "t", "action": "add_partitions", "partitions": 2.0, "have": 1.0,
		})))
		Expect(unmarshalled(p.run("topics", "plan", "-o", "yaml").stdout, yaml.Unmarshal)).To(ContainElement(Equal(map[string]any{
			"topic": "t.dlq", "action": "create", "partitions": 2,
		})))
		applied := p.ask("y\n", "topics", "apply", "-o", "json")
		Expect(applied.code).To(Equal(framework.ExitClean))
		Expect(applied.stderr).To(ContainSubstring("Apply 3 changes?"))
		Expect(unmarshalled(applied.stdout, json.Unmarshal)).To(HaveEach(HaveKeyWithValue("result", "done")))
		Expect(p.good("topics", "plan", "-o", "json")).To(Equal("[]\n"))
		Expect(unmarshalled(p.good("topics", "list", "-o", "yaml"), yaml.Unmarshal)).To(ContainElement(Equal(map[string]any{
			"topic": "t.dlq", "exists": true, "partitions": 2, "replication": 1, "consumed_by": []any{}, "written_by": []any{},
			"dead_letters": true, "dead_letters_of": []any{"t"}, "declared": false,
		})))
	}, NodeTimeout(patience))
})

var _ = Describe("lag", func() {
	It("is summed up by topic, or told for each partition", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 3)
		p := commandLine{c.addrs, framework.Routes(each(&counter{}))}
		Expect(p.good("lag")).To(Equal("GROUP  TOPIC  LAG  MAX LAG  BEHIND\n" +
			"g      t      3    3        1 of 1\n"))
		Expect(p.good("lag", "--partitions")).To(Equal("GROUP  TOPIC  PARTITION  COMMITTED  END  LAG\n" +
			"g      t      0          -          3    3\n"))
		Expect(unmarshalled(p.good("lag", "--partitions", "-o", "json"), json.Unmarshal)).To(Equal([]any{map[string]any{
			"group": "g", "topic": "t", "partition": 0.0, "committed": nil, "end": 3.0, "lag": 3.0,
		}}))
		Expect(unmarshalled(p.good("lag", "-o", "yaml"), yaml.Unmarshal)).To(Equal([]any{map[string]any{
			"group": "g", "topic": "t", "partitions": 1, "behind": 1, "lag": 3, "max_lag": 3,
		}}))
	}, NodeTimeout(patience))

	It("names topics that do not exist, beside what there is", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 1)
		p := commandLine{c.addrs, framework.Routes(router.Drawer(letters))}
		a := p.run("lag")
		Expect(a.code).To(Equal(framework.ExitStart))
		Expect(a.stdout).To(MatchRegexp(`(?m)^g +t +1 +1 +1 of 1$`))
		Expect(a.stderr).To(ContainSubstring(`topic "t.g.retry.1s" does not exist`))
	}, NodeTimeout(patience))

	It("is read again and again until Ctrl-C, which is its end", func(ctx SpecContext) {
		c := newBroker(ctx, "t", 3)
		w := start(ctx, "plain", "lag", "--watch", "--brokers", strings.Join(c.addrs, ","))
		for range 2 {
			w.says("GROUP  TOPIC  LAG  MAX LAG  BEHIND")
			w.says("g      t      3    3        1 of 1")
		}
		w.signal(syscall.SIGINT)
		Expect(w.exit()).To(Equal(framework.ExitClean), w.stderr.String())
		Expect(w.stderr.String()).To(BeEmpty())
		w = start(ctx, "plain", "lag", "--watch", "-o", "json", "--brokers", strings.Join(c.addrs, ","))
		for range 2 {
			w.says(`[{"group":"g","topic":"t","partitions":1,"behind":1,"lag":3,"max_lag":3}]`)
		}
		w.signal(syscall.SIGTERM)
		Expect(w.exit()).To(Equal(framework.ExitClean), w.stderr.String())
	}, NodeTimeout(patience))
})

var _ = Describe("dlq", func() {
	program := func(ctx context.Context, topics ...string) (*cluster, commandLine) {
		GinkgoHelper()
		c := newBroker(ctx, "t", 0)
		for _, topic := range topics {
			_, err := c.admin.CreateTopic(ctx, 1, 1, nil, topic)
			Expect(err).NotTo(HaveOccurred())
		}
		return c, commandLine{c.addrs, framework.Routes(router.Drawer(letters))}
	}

	It("lists what is meant, and obeys no letter", func(ctx SpecContext) {
		c, p := program(ctx, "t.dlq")
		Expect(p.good("dlq", "list")).To(Equal("no letters\n"))
		c.letter(ctx, "one", "timeout")
		c.letter(ctx, "two", "crash")
		Expect(p.good("dlq", "list")).To(Equal(`LETTER  FAILED AT             SOURCE  ATTEMPTS  ERROR
0@0     2026-11-21T06:30:00Z  t/0@7   3         timeout \x1b[31m happened
0@1     2026-11-21T06:30:00Z  t/0@7   3         crash \x1b[31m happened
`))
		Expect(p.good("dlq", "list", "t.dlq", "--error", "crash", "--error-type", "*crash", "--source", "t", "--group", "g", "--since", "2026-11-21",
			"--until", "2026-11-21T06:30:01Z")).To(And(ContainSubstring("0@1"), Not(ContainSubstring("0@0"))))
		Expect(p.good("dlq", "list", "--until", "2026-11-21")).To(Equal("no letters\n"))
		first := p.run("dlq", "list", "--limit", "1", "-o", "json")
		Expect(first.stderr).To(Equal("there are more: --limit 0 prints all\n"))
		Expect(unmarshalled(first.stdout, json.Unmarshal)).To(Equal([]any{map[string]any{
			"topic": "t.dlq", "partition": 0.0, "offset": 0.0, "failed_at": "2026-11-21T06:30:00Z", "attempts": 3.0,
			"error": "timeout\n\x1b[31m happened", "error_type": "*timeout",
			"source": map[string]any{"group": "g", "topic": "t", "partition": 0.0, "offset": 7.0, "timestamp": nil},
		}}))
		Expect(p.run("dlq", "list", "--limit", "2").stderr).To(BeEmpty(), "there are no more")
	}, NodeTimeout(patience))

	It("shows a letter", func(ctx SpecContext) {
		c, p := program(ctx, "t.dlq")
		c.letter(ctx, "one", "timeout")
		Expect(p.good("dlq", "show", "0@0")).To(Equal(`letter:      t.dlq/0@0
source:      t/0@7
timestamp:   -
group:       g
failed at:   2026-11-21T06:30:00Z
attempts:    3
error type:  *timeout
error:       "timeout\n\x1b[31m happened"
key:         k
header:      trace: "\xff\x00"
value:       one
`))
		shown := unmarshalled(p.good("dlq", "show", "t.dlq", "0@0", "-o", "yaml"), yaml.Unmarshal)
		Expect(shown).To(And(HaveKeyWithValue("key", "k"), HaveKeyWithValue("value", "one"), HaveKeyWithValue("offset", 0),
			HaveKeyWithValue("headers", ContainElement(Equal(map[string]any{"key": "trace", "value_base64": "/wA="})))))
		none := p.run("dlq", "show", "0@1")
		Expect(none.code).To(Equal(framework.ExitStart))
		Expect(none.stderr).To(ContainSubstring(`no record at 0@1`))
	}, NodeTimeout(patience))

	It("replays when somebody says yes, and goes on from where it was", func(ctx SpecContext) {
		c, p := program(ctx, "t.dlq", "other")
		c.letter(ctx, "one", "timeout")
		c.letter(ctx, "two", "crash")
		end := func(topic string) int64 {
			GinkgoHelper()
			ends, err := c.admin.ListEndOffsets(ctx, topic)
			Expect(err).NotTo(HaveOccurred())
			o, _ := ends.Lookup(topic, 0)
			return o.Offset
		}
		Expect(p.good("dlq", "replay", "--dry-run")).To(Equal("would replay 2 letters: 2 to t\n"))
		Expect(p.run("dlq", "replay").stderr).To(ContainSubstring("--yes"))
		declined := p.ask("n\n", "dlq", "replay")
		Expect(declined.stdout).To(Equal("Replay 2 letters: 2 to t? [y/N] "))
		Expect(declined.code).To(Equal(framework.ExitStart))
		Expect(end("t")).To(BeZero())
		Expect(p.good("dlq", "replay", "--letter", "0@1", "--yes")).To(Equal("replayed 1 letter: 1 to t\n"))
		Expect(p.good("dlq", "replay", "--yes")).To(Equal("replayed 2 letters: 2 to t\n"))
		again := p.run("dlq", "replay", "--yes")
		Expect(again.code).To(Equal(framework.ExitClean))
		Expect(again.stdout).To(Equal("replayed no letters\n"))
		Expect(again.stderr).To(ContainSubstring("--again"))
		Expect(unmarshalled(p.good("dlq", "replay", "--error", "crash", "--to", "other", "--yes", "-o", "json"), json.Unmarshal)).
			To(Equal(map[string]any{
				"topic": "t.dlq", "dry_run": false, "passed": 1.0, "letters": []any{map[string]any{"topic": "other", "letters": 1.0}},
			}))
		Expect(p.good("dlq", "replay", "--again", "--dry-run")).To(Equal("would replay 2 letters: 2 to t\n"))
		Expect(end("t")).To(BeEquivalentTo(3))
		Expect(end("other")).To(BeEquivalentTo(1))
	}, NodeTimeout(patience))

	It("says which topics there are", func(ctx SpecContext) {
		c, p := program(ctx)
		Expect(p.run("dlq", "list").stderr).To(Equal("error: topic \"t.dlq\": the topic does not exist; dead letter topics of the program: t.dlq\n"))
		none := commandLine{c.addrs, framework.Routes(each(&counter{}))}
		Expect(none.run("dlq", "list").stderr).To(Equal("error: the program draws no dead letter topic: name a topic\n"))
		two := commandLine{c.addrs, framework.Routes(each(consumer.HandlerFunc(failing), func(r *router.Route) {
			r.OnFailure(router.When(router.ErrorIs(errBad), router.DeadLetter("b")), router.DeadLetter("a"))
		}))}
		Expect(two.run("dlq", "list").stderr).To(Equal("error: the program has several dead letter topics, name one: a, b\n"))
	}, NodeTimeout(patience))
})

var _ = Describe("Commands on a cluster", func() {
	everyOne := [][]string{
		{"topics", "list"},
		{"topics", "plan"},
		{"topics", "apply"},
		{"lag"},
		{"lag", "--watch"},
		{"dlq", "list"},
		{"dlq", "show", "0@0"},
		{"dlq", "replay", "--yes"},
		{"produce", "t", "value"},
		{"tail", "t"},
		{"groups"},
		{"groups", "show", "g"},
		{"reset", "g", "--to", "latest"},
	}

	It("say in one line that nothing answers, and where", func(ctx SpecContext) {
		p := commandLine{[]string{closedPort(ctx)}, framework.Routes(router.Drawer(letters))}
		for _, args := range everyOne {
			a := p.run(args...)
			Expect(a.code).To(Equal(framework.ExitStart))
			Expect(a.stdout).To(BeEmpty())
			Expect(a.stderr).To(And(HavePrefix("error: brokers "+p.brokers[0]), ContainSubstring("check kafka.brokers")))
			Expect(strings.Count(a.stderr, "\n")).To(Equal(1), a.stderr)
		}
	}, NodeTimeout(patience))

	It("give up on one that says nothing after kafka.dial_timeout", func(ctx SpecContext) {
		var lc net.ListenConfig
		silent, err := lc.Listen(ctx, "tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(silent.Close)
		p := commandLine{[]string{silent.Addr().String()}, framework.Routes(router.Drawer(letters))}
		a := p.run("lag", "--set", "kafka.dial_timeout=200ms")
		Expect(a.code).To(Equal(framework.ExitStart))
		Expect(a.stderr).To(HavePrefix("error: brokers " + p.brokers[0]))
	}, NodeTimeout(patience))

	It("end at Ctrl-C while they wait for a broker", func(ctx SpecContext) {
		var lc net.ListenConfig
		silent, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(silent.Close)
		p := start(ctx, "plain", "lag", "--brokers", silent.Addr().String(), "--set", "kafka.dial_timeout=10m")
		conn, err := silent.Accept()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(conn.Close)
		p.signal(syscall.SIGINT)
		Expect(p.exit()).To(Equal(framework.ExitStart))
		Expect(p.stderr.String()).To(HavePrefix("error: interrupted"))
	}, NodeTimeout(patience))

	DescribeTable("refuse what they do not know before they connect", func(args []string, texts ...string) {
		a := commandLine{[]string{"127.0.0.1:1"}, framework.Routes(router.Drawer(letters))}.run(args...)
		Expect(a.code).To(Equal(framework.ExitStart))
		Expect(a.stdout).To(BeEmpty())
		for _, text := range texts {
			Expect(a.stderr).To(ContainSubstring(text))
		}
	},
		Entry(nil, []string{"topics", "plan", "-o", "xml"}, "-o xml: want table, json or yaml"),
		Entry(nil, []string{"topics", "plans"}, `unknown command "plans"`, "topics --help"),
		Entry(nil, []string{"config", "shown"}, `unknown command "shown"`),
		Entry(nil, []string{"lag", "--wach"}, "unknown flag: --wach", "lag --help"),
		Entry(nil, []string{"lag", "t"}, `"t"`, "lag --help"),
		Entry(nil, []string{"dlq", "show"}, "dlq show --help"),
		Entry(nil, []string{"dlq", "show", "17"}, "17: want partition@offset"),
		Entry(nil, []string{"dlq", "show", "-1@3"}, "unknown shorthand flag"),
		Entry(nil, []string{"dlq", "list", "--since", "soon", "--limit", "-1"}, "--since soon: want", "--limit -1"),
		Entry(nil, []string{"dlq", "replay", "--letter", "a@b"}, "--letter a@b: want partition@offset"),
		Entry(nil, []string{"dlq", "replay", "--since", "2h"}, "--since 2h: name the time", "goes on after an interruption: --since 2"),
	)

	It("have help with examples that fits a terminal", func() {
		more := [][]string{{}, {"server"}, {"routes"}, {"config"}, {"config", "check"}, {"config", "show"}, {"topics"}, {"dlq"}, {"doctor"}}
		for _, args := range slices.Concat(everyOne, more) {
			var stdout, stderr bytes.Buffer
			Expect(framework.Execute(append(args, "--help"), &stdout, &stderr, nil)).To(Equal(framework.ExitClean))
			Expect(stdout.String()).To(MatchRegexp(`Examples:\n  \S+ \S+`), "%v", args)
			for line := range strings.Lines(strings.ReplaceAll(stdout.String(), filepath.Base(os.Args[0]), "orders")) {
				Expect(len([]rune(line))).To(BeNumerically("<=", 80+len("\n")), line)
			}
		}
	})

	It("say what is wrong with the routes", func() {
		var stdout, stderr bytes.Buffer
		failed := fx.Provide(func() (*counter, error) { return nil, errors.New("no database") })
		code := framework.Execute([]string{"topics", "plan"}, &stdout, &stderr, []fx.Option{
			failed, framework.Routes(func(c *counter) router.Drawer { return each(c) }),
		})
		Expect(code).To(Equal(framework.ExitStart))
		Expect(stderr.String()).To(Equal("error: could not start: no database\n"))
	})
})
