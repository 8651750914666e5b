package router_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// nasty is a program whose names are all that is allowed, and whose records go everywhere and come back.
func nasty(r *router.Router) {
	named := func(name string) router.ErrorMatch { return router.ErrorWhere(name, func(error) bool { return false }) }
	r.Declare("orders.declared")
	r.Declare("declared_only")
	r.Group("pricing", func(g *router.Group) {
		g.Topic("orders.in").
			Each(writer{one, []consumer.Output{{Topic: "orders.out", Required: true, Sync: true}, {Topic: "orders.in"}}}).
			OnFailure(
				router.When(router.ErrorAs[*consumer.DecodeError](), router.DeadLetter("orders.unreadable")),
				router.When(router.ErrorIs(errors.New("said \"no\"\n|and left")), router.Skip),
				router.When(named("timeouts"), router.RetryLater(time.Hour), router.Block),
				router.When(named("busy"), router.RetryLater(10*time.Second), router.DeadLetter("orders.dlq")),
				router.Retry(3, time.Second), router.RetryLater(10*time.Second, 1500*time.Millisecond), router.DeadLetter("orders.dlq"))
		g.Topic("orders.out").Batch(many, 10, 0).OnFailure(router.When(named("any"), router.Stop), router.Stop)
	})
	r.Group(`a "b" <b>c</b> & #1; \N`, func(g *router.Group) {
		g.Topic("orders.in").Each(writer{one, []consumer.Output{{Topic: "a"}, {Topic: "_a_"}, {Topic: "www.a.b-c_d"}, {Topic: "-a..b-"}}})
		g.Pattern(`orders\.(in|out)`).Each(one).AtMostOnce()
		g.Pattern(`(orders|www)\..*|"\d+"`).Each(one).OnFailure(router.DeadLetter("a"))
		g.Pattern(`never`).Each(one)
	})
	r.Group("1. two\nlines", func(g *router.Group) {
		g.Pattern(`orders\.(in|out)`).Each(writer{one, []consumer.Output{{Topic: "a", Sync: true}}})
		g.Topic("a").Each(one)
	})
}

func draw(draw router.Drawer) *router.Table {
	GinkgoHelper()
	table, err := router.Draw(draw)
	Expect(err).NotTo(HaveOccurred())
	return table
}

// golden compares with a file of testdata, or writes it.
func golden(name, have string) {
	GinkgoHelper()
	file := filepath.Join("testdata", name)
	if os.Getenv("KARAFGO_UPDATE_GOLDEN") != "" {
		Expect(os.MkdirAll("testdata", 0o750)).To(Succeed())
		Expect(os.WriteFile(file, []byte(have), 0o600)).To(Succeed())
		return
	}
	want, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	Expect(have).To(Equal(string(want)), file)
}

// drawn is what a diagram says: nodes by identifier, and arrows.
type drawn struct {
	nodes  map[string]string
	arrows [][2]string
}

// read takes a diagram apart. Each line has to match one of the expressions, whose groups are names and labels; nothing is drawn twice, and
// no arrow is between what is not drawn.
func read(text string, node, arrow *regexp.Regexp) drawn {
	GinkgoHelper()
	d := drawn{nodes: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := node.FindStringSubmatch(line); m != nil {
			Expect(d.nodes).NotTo(HaveKey(m[1]))
			d.nodes[m[1]] = m[2]
			continue
		}
		m := arrow.FindStringSubmatch(line)
		Expect(m).NotTo(BeNil(), line)
		Expect(d.nodes).To(And(HaveKey(m[1]), HaveKey(m[2])), line)
		Expect(d.arrows).NotTo(ContainElement([2]string{m[1], m[2]}), line)
		d.arrows = append(d.arrows, [2]string{m[1], m[2]})
	}
	return d
}

var _ = Describe("The flow of records", func() {
	It("is printed for people", func() {
		golden("nasty.txt", draw(nasty).Flow().String())
	})

	It("is a part of the table's JSON", func() {
		data, err := json.Marshal(draw(nasty))
		Expect(err).NotTo(HaveOccurred())
		var table struct {
			Flow json.RawMessage `json:"flow"`
		}
		Expect(json.Unmarshal(data, &table)).To(Succeed())
		var edges []map[string]any
		Expect(json.Unmarshal(table.Flow, &edges)).To(Succeed())
		Expect(edges).To(HaveLen(len(draw(nasty).Flow())))
		var text strings.Builder
		for _, edge := range edges {
			line, err := json.Marshal(edge)
			Expect(err).NotTo(HaveOccurred())
			text.Write(append(line, '\n'))
		}
		golden("nasty.jsonl", text.String())
	})

	It("is drawn for Mermaid and Graphviz alike, whatever names have in them", func() {
		flow := draw(nasty).Flow()
		golden("nasty.mmd", flow.Mermaid())
		golden("nasty.dot", flow.DOT())

		const text = `(?:[\p{L}\p{Nd} ,/_.-]|#\d+;)+`
		mermaid, ok := strings.CutPrefix(flow.Mermaid(), "flowchart LR\n")
		Expect(ok).To(BeTrue())
		m := read(mermaid,
			regexp.MustCompile(`^ {4}(\w+)(?:\(\[|\{\{|\[|\(\()"(`+text+`)"(?:\]\)|\}\}|\]|\)\))$`),
			regexp.MustCompile(`^ {4}(\w+) -\.?->(?:\|"(?:`+text+`)"\|)? (\w+)$`))

		const quoted = `"(?:[^"\\\n]|\\\\|\\")+"`
		dot, ok := strings.CutPrefix(flow.DOT(), "digraph flow {\n    rankdir=LR\n")
		Expect(ok).To(BeTrue())
		dot, ok = strings.CutSuffix(dot, "}\n")
		Expect(ok).To(BeTrue())
		d := read(dot,
			regexp.MustCompile(`^ {4}(\w+) \[shape=\w+, label=(`+quoted+`)\]$`),
			regexp.MustCompile(`^ {4}(\w+) -> (\w+)(?: \[(?:label=`+quoted+`)?(?:, )?(?:style=dotted)?\])?$`))
		Expect(d.arrows).To(Equal(m.arrows))
		Expect(d.nodes).To(HaveLen(len(m.nodes)))
	})

	It("joins what several groups do with one topic, and keeps apart what each of them matches", func() {
		flow := draw(func(r *router.Router) {
			for _, group := range []string{"g", "h"} {
				r.Group(group, func(g *router.Group) {
					g.Topic("a").Each(writer{one, []consumer.Output{{Topic: "b"}}}).OnFailure(router.DeadLetter("dlq"))
					g.Pattern("b|c").Each(one)
				})
			}
		}).Flow()
		text := flow.Mermaid()
		for label, times := range map[string]int{`(["a"])`: 1, `(["b"])`: 1, `(["dlq"])`: 1, `{{"/b#124;c/"}}`: 2, `["g"]`: 2, `["h"]`: 2} {
			Expect(strings.Count(text, label+"\n")).To(Equal(times), label)
		}
	})

	It("has a pattern's route where no other of the group consumes the topic", func() {
		var matches []string
		for _, e := range draw(nasty).Flow() {
			if e.Kind == router.EdgeMatches {
				matches = append(matches, e.From+" "+e.To)
			}
		}
		Expect(matches).To(Equal([]string{
			`orders.out /orders\.(in|out)/`, `orders.declared /(orders|www)\..*|"\d+"/`, `www.a.b-c_d /(orders|www)\..*|"\d+"/`,
			`orders.in /orders\.(in|out)/`, `orders.out /orders\.(in|out)/`,
		}))
	})

	It("does not tell what nothing is drawn for: that records stay where they are until they are handled", func() {
		Expect(draw(inGroup(func(g *router.Group) { g.Topic("a").Each(one) })).Flow()).To(Equal(router.Flow{
			{Kind: router.EdgeConsumes, Group: "g", From: "a"},
		}))
	})

	It("is of the routes that are kept", func() {
		kept := draw(nasty).Only(func(group, topic string) bool { return group == "pricing" && topic == "orders.in" }).Flow()
		Expect(slices.ContainsFunc(kept, func(e router.Edge) bool { return e.From != "orders.in" })).To(BeFalse())
		Expect(slices.ContainsFunc(kept, func(e router.Edge) bool { return e.Kind == router.EdgeRetry })).To(BeTrue())
	})
})
