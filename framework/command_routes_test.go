package framework_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
)

var _ = Describe("The command routes", func() {
	routes := func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("t").Each(&counter{}).OnFailure(router.RetryLater(10*time.Second), router.DeadLetter("t.dlq"))
			g.Pattern("u.*").Each(&counter{})
		})
	}
	run := func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		code := framework.Execute(append([]string{"routes"}, args...), &stdout, &stderr, []fx.Option{framework.Routes(routes)})
		return code, stdout.String(), stderr.String()
	}

	It("prints the flow below the routes", func() {
		table, err := router.Draw(routes)
		Expect(err).NotTo(HaveOccurred())
		for _, args := range [][]string{nil, {"-o", "table"}} {
			code, stdout, stderr := run(args...)
			Expect(code).To(Equal(framework.ExitClean), stderr)
			Expect(stdout).To(Equal(table.String() + "\n" +
				"INCOMING      OUTGOING       GROUP  HOW\n" +
				"t         =>  t.g.retry.10s  g      after 10s\n" +
				"t         =>  t.dlq          g      dead letter\n" +
				"/u.*/     =>  -              g\n"))
		}
	})

	It("draws the flow for Mermaid and for Graphviz", func() {
		table, err := router.Draw(routes)
		Expect(err).NotTo(HaveOccurred())
		for format, want := range map[string]string{"mermaid": table.Flow().Mermaid(), "dot": table.Flow().DOT()} {
			code, stdout, stderr := run("-o", format)
			Expect(code).To(Equal(framework.ExitClean), stderr)
			Expect(stdout).To(Equal(want))
		}
	})

	It("has the flow in its JSON", func() {
		code, stdout, stderr := run("-o", "json")
		Expect(code).To(Equal(framework.ExitClean), stderr)
		var table struct {
			Flow json.RawMessage `json:"flow"`
		}
		Expect(json.Unmarshal([]byte(stdout), &table)).To(Succeed())
		Expect(table.Flow).To(MatchJSON(`[
			{"kind": "consumes", "group": "g", "from": "t"},
			{"kind": "retry", "group": "g", "from": "t", "to": "t.g.retry.10s", "delay": "10s"},
			{"kind": "dead_letter", "group": "g", "from": "t", "to": "t.dlq"},
			{"kind": "consumes", "group": "g", "from": "/u.*/"}]`))
	})

	It("has it in its YAML, in the order of the flow", func() {
		code, stdout, stderr := run("-o", "yaml")
		Expect(code).To(Equal(framework.ExitClean), stderr)
		Expect(stdout).To(ContainSubstring("\n  - kind: retry\n    group: g\n    from: t\n    to: t.g.retry.10s\n    delay: 10s\n  - kind: dead_letter\n"))
	})

	It("tells the flow of the routes that are kept", func() {
		code, stdout, stderr := run("-o", "mermaid", "--exclude-topics", "t")
		Expect(code).To(Equal(framework.ExitClean), stderr)
		Expect(strings.Count(stdout, "\n")).To(Equal(4), "a pattern, its route, and an arrow:\n"+stdout)
	})

	It("names all formats when it is asked for another, before anything else", func() {
		for _, format := range []string{"xml", "", "Table"} {
			code, stdout, stderr := run("-o", format, "--config", "no-such.yaml")
			Expect(code).To(Equal(framework.ExitStart))
			Expect(stdout).To(BeEmpty())
			Expect(stderr).To(Equal("error: -o " + format + ": want table, json, yaml, mermaid or dot\n"))
		}
	})
})
