package guide_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/framework"
)

var (
	block = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$") //nolint:gocritic // lines, in multi-line mode
	code  = regexp.MustCompile("`[^`\n]*`")
	// heading and punctuation are what anchors are made of.
	heading     = regexp.MustCompile(`(?m)^#+ (.*)$`)
	punctuation = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

	link = regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`)
)

// around makes a program of a block that is only a part of one. What it may use is here.
const around = `package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/router"
)

var (
	_ gobreaker.Settings
	_ = slog.Warn
	_ = middleware.Log
	_ context.Context
	_ oauth.Auth
	_ *kgo.Record
	_ = time.Second
	_ = router.Skip
	_ = framework.Main
	_ callbacks.Blocked
)

func routes(*router.Router)             {}
func page(string, ...any)               {}

func fetchToken(context.Context) (string, error) { return "", nil }
func forget(callbacks.Partitions) error { return nil }

func part(g *router.Group, h consumer.Handler, batches consumer.BatchHandler) {
`

func pages(g *WithT) map[string]string {
	return read(g, "*.md", "../coming-from-*.md", "../../README.md")
}

func read(g *WithT, patterns ...string) map[string]string {
	texts := map[string]string{}
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(files).NotTo(BeEmpty(), pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			texts[file] = string(text)
		}
	}
	return texts
}

func blocks(text, language string) []string {
	var found []string
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

// Every block of Go in the README and the guide compiles: whole programs as they are, parts of one inside around. Tests pass.
func TestProgramsCompile(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	// Inside the module, so that its requirements hold; the underscore keeps it out of ./... .
	build, err := filepath.Abs("../../build")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.MkdirAll(build, 0o750)).To(Succeed())
	programs, parts := 0, 0
	for page, text := range pages(g) {
		for _, source := range blocks(text, "go") {
			if strings.HasPrefix(source, "package ") {
				programs++
			} else {
				parts++
				source = around + source + "}\n\nfunc main() { part(nil, nil, nil) }\n"
			}
			dir, err := os.MkdirTemp(build, "_snippet") //nolint:usetesting // inside the module, for its requirements
			g.Expect(err).NotTo(HaveOccurred())
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			file, verb := "main.go", "vet"
			if strings.Contains(source, "func Test") { // a test is run, too
				file, verb = "snippet_test.go", "test"
			}
			g.Expect(os.WriteFile(filepath.Join(dir, file), []byte(source), 0o600)).To(Succeed())
			cmd := exec.CommandContext(t.Context(), "go", verb, ".")
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			g.Expect(err).NotTo(HaveOccurred(), "%s: %s", page, strings.TrimSpace(string(out)))
		}
	}
	g.Expect(programs).To(BeNumerically(">=", 2), "programs found")
	g.Expect(parts).To(BeNumerically(">=", 2), "parts of programs found")
}

// Every block of YAML is a configuration file that loads.
func TestConfigurationsLoad(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	found := 0
	for page, text := range pages(g) {
		for _, yaml := range blocks(text, "yaml") {
			if isManifest(yaml) {
				continue // TestManifests loads what is in it
			}
			found++
			file := filepath.Join(t.TempDir(), "karafgo.yaml")
			g.Expect(os.WriteFile(file, []byte(yaml), 0o600)).To(Succeed())
			_, err := framework.LoadConfig(file)
			g.Expect(err).NotTo(HaveOccurred(), page)
		}
	}
	g.Expect(found).To(BeNumerically(">=", 1), "configurations found")
}

// anchors are what links to headings of a page may name, as GitHub makes them.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
		all = append(all, strings.ReplaceAll(punctuation.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// Every link into the repository leads somewhere, and to a heading that there is.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	found := 0
	for page, text := range read(g, "../../*.md", "../*.md", "*.md", "../reference/*.md", "../adr/*.md") {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(block.ReplaceAllString(text, ""), ""), -1) {
			found++
			target := filepath.Join(filepath.Dir(page), m[1])
			if m[1] == "" {
				target = page
			}
			g.Expect(target).To(Or(BeARegularFile(), BeADirectory()), "link in %s", page)
			if m[2] != "" && filepath.Ext(target) == ".md" {
				text, err := os.ReadFile(target)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(anchors(string(text))).To(ContainElement(m[2][1:]), "link in %s to %s", page, target)
			}
		}
	}
	g.Expect(found).To(BeNumerically(">=", 10), "links found")
}

// Every page is in the index.
func TestIndexIsComplete(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	index, err := os.ReadFile("../README.md")
	g.Expect(err).NotTo(HaveOccurred())
	for page := range read(g, "*.md", "../*.md", "../reference/*.md") {
		if name := strings.TrimPrefix(filepath.Join("guide", page), "../"); page != "../README.md" {
			g.Expect(string(index)).To(ContainSubstring("]("+name+")"), "docs/README.md does not lead to it")
		}
	}
}
