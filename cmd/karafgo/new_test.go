package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/scaffold"
)

// typed is what somebody sees who types a command: its exit code, and both outputs.
type typed struct {
	code     int
	out, err string
}

func enter(args ...string) typed {
	var out, err bytes.Buffer
	code := execute(args, &out, &err)
	return typed{code, out.String(), err.String()}
}

// checkout is the one that this test belongs to.
func checkout(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// command go is replaced by a script for the rest of the test.
func replaceGo(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func empty(t *testing.T) {
	t.Helper()
	NewWithT(t).Expect(os.ReadDir(".")).To(BeEmpty(), "nothing is left")
}

// wide is true of a text that does not fit an old terminal.
func wide(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if len([]rune(strings.TrimSuffix(line, "\n"))) > 80 {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestNewTellsWhatItMadeAndWhatIsNext(t *testing.T) {
	g := NewWithT(t)
	replaceGo(t, "exit 0")
	from := checkout(t)
	t.Chdir(t.TempDir())
	got := enter("new", "shop", "--framework-path", from)
	g.Expect(got).To(Equal(typed{0, `shop is made:

shop
  cmd/shop         what it is made of, and a test that runs all of it
  internal/orders  topics, routes, a responder, a handler, and their tests
  testdata         records that ` + "`make dev`" + ` produces
  karafgo.yaml     configuration for development
  config           configuration for production
  Makefile         ` + "`make`" + ` lists what it can do
  compose.yaml     Apache Kafka in Docker
  Dockerfile       the image
  .github          what runs on every push
  README.md        how to go on

Its go.mod replaces karafgo by the checkout
` + from + `

Next:

  cd shop
  make test
  make dev
`, "go mod tidy collects the modules it needs ...\n"}))

	for _, file := range []string{"cmd/shop/main.go", "go.mod", "go.sum", ".gitignore", ".github/workflows/ci.yml", "testdata/orders.created.jsonl"} {
		g.Expect(filepath.Join("shop", file)).To(BeARegularFile())
	}
}

func TestNewTakesOtherFoldersAndModules(t *testing.T) {
	g := NewWithT(t)
	replaceGo(t, `case "$1" in env) echo /somewhere/go.work;; esac`)
	from := checkout(t)
	t.Chdir(t.TempDir())
	got := enter("new", "shop", "--dir", "my apps/the shop", "--module", "github.com/you/shop", "--framework-path", from, "--no-tidy")
	g.Expect(got.out).To(HaveSuffix("Next:\n\n  cd 'my apps/the shop'\n  go work use .\n  go mod tidy\n  make test\n  make dev\n"))
	text, err := os.ReadFile("my apps/the shop/cmd/shop/main.go")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).To(ContainSubstring(`"github.com/you/shop/internal/orders"`))

	g.Expect(os.Mkdir("here", 0o750)).To(Succeed())
	t.Chdir("here")
	replaceGo(t, "exit 0")
	got = enter("new", "shop", "--dir", ".", "--framework-path", from)
	g.Expect(got.out).To(HaveSuffix("Next:\n\n  make test\n  make dev\n"))
	g.Expect("go.mod").To(BeARegularFile())
}

func TestNewRefusesWithOneLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{}, "a name is missing, as in karafgo new shop: see karafgo new --help"},
		{[]string{"my", "Shop"}, "one name is wanted, not 2; if it is one of several words, write karafgo new my-shop: see karafgo new --help"},
		{[]string{"My Shop"}, `name "My Shop" has 'M', a space and 'S', and may only have a to z, 0 to 9 and hyphens; try my-shop`},
		{[]string{"shop", "--bogus"}, "unknown flag: --bogus: see karafgo new --help"},
		{[]string{"shop", "--module", "a b"}, "--module a b is no path of a module: invalid char ' '; want one such as github.com/you/shop"},
		{[]string{"shop", "--framework-path", "nowhere"}, "--framework-path: nowhere is no checkout of karafgo: it has no go.mod"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			g := NewWithT(t)
			t.Chdir(t.TempDir())
			got := enter(append([]string{"new"}, c.args...)...)
			got.err = strings.ReplaceAll(got.err, mustGetwd(t)+"/", "")
			g.Expect(got).To(Equal(typed{1, "", "error: " + c.want + "\n"}))
			empty(t)
		})
	}
}

func mustGetwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestNewTwiceChangesNothing(t *testing.T) {
	g := NewWithT(t)
	replaceGo(t, "exit 0")
	from := checkout(t)
	t.Chdir(t.TempDir())
	g.Expect(enter("new", "shop", "--framework-path", from).code).To(Equal(0))
	g.Expect(os.WriteFile("shop/README.md", []byte("mine"), 0o600)).To(Succeed())
	g.Expect(enter("new", "shop", "--framework-path", from)).To(Equal(typed{
		1, "", "error: folder shop is not empty, it has Dockerfile and 14 more, and nothing is overwritten: choose another folder with --dir\n",
	}))
	g.Expect(os.ReadFile("shop/README.md")).To(BeEquivalentTo("mine"))
}

func TestNewWithoutGo(t *testing.T) {
	g := NewWithT(t)
	from := checkout(t)
	t.Chdir(t.TempDir())
	t.Setenv("PATH", "")
	g.Expect(enter("new", "shop", "--framework-path", from)).To(Equal(typed{
		1, "", "error: the command go is not found: install Go from https://go.dev/dl, or add --no-tidy\n",
	}))
	empty(t)
	g.Expect(enter("new", "shop", "--framework-path", from, "--no-tidy").code).To(Equal(0))
}

// From a checkout everything that is needed is known without a network. From a release it is not.
func TestNewWithoutANetwork(t *testing.T) {
	g := NewWithT(t)
	replaceGo(t, `case "$1" in mod) echo "go: downloading a" >&2; echo "go: no network" >&2; exit 1;; esac`)
	from := checkout(t)
	t.Chdir(t.TempDir())
	got := enter("new", "shop", "--framework-path", from)
	g.Expect(got.code).To(Equal(0))
	g.Expect(got.err).To(ContainSubstring("go: no network\nThe program can be built all the same"))
	g.Expect(got.out).To(HaveSuffix("  cd shop\n  go mod tidy\n  make test\n  make dev\n"))
	g.Expect(os.RemoveAll("shop")).To(Succeed())

	var out, said bytes.Buffer
	c := &cli{out: &out, err: &said}
	err := c.makeIn(t.Context(), scaffold.App{Name: "shop", Framework: scaffold.Framework{Version: "v1.2.3"}}, "shop", newOptions{})
	g.Expect(err).To(MatchError(
		"go mod tidy failed; without a network, add --no-tidy and run it later:\ngo: downloading a\ngo: no network"))
	empty(t)
}

func TestNewThatIsInterruptedLeavesNothing(t *testing.T) {
	g := NewWithT(t)
	begun := filepath.Join(t.TempDir(), "begun")
	replaceGo(t, "mkfifo "+begun+".never; echo > "+begun+"; exec cat "+begun+".never")
	from := checkout(t)
	t.Chdir(t.TempDir())
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	c := &cli{out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	go func() { ended <- c.makeProgram(ctx, "shop", newOptions{framework: from}) }()
	g.Eventually(begun, 30*time.Second).Should(BeARegularFile())
	g.Expect("shop/go.mod").To(BeARegularFile())
	interrupt()
	g.Eventually(ended, 30*time.Second).Should(Receive(MatchError(errNothingMade)))
	empty(t)
}

func TestNewWhereNobodyMayWrite(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write anywhere")
	}
	g := NewWithT(t)
	replaceGo(t, "exit 0")
	from := checkout(t)
	dir := t.TempDir()
	t.Chdir(dir)
	g.Expect(os.Chmod(dir, 0o500)).To(Succeed())
	g.Expect(enter("new", "shop", "--framework-path", from)).To(Equal(typed{
		1, "", "error: make folder shop: permission denied: you may not write there, choose another folder\n",
	}))
	g.Expect(os.Chmod(dir, 0o700)).To(Succeed())
	empty(t)
}

func TestOrigin(t *testing.T) {
	g := NewWithT(t)
	from := checkout(t)
	own := func(m debug.Module) *debug.BuildInfo {
		m.Path = scaffold.ModulePath
		return &debug.BuildInfo{Main: m}
	}
	here := filepath.Join(from, "cmd", "karafgo", "new.go")

	got, err := origin(own(debug.Module{Version: "v1.2.3", Sum: "h1:x"}), "github.com/karafgo/karafgo@v1.2.3/cmd/karafgo/new.go")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(scaffold.Framework{Version: "v1.2.3"}), "go install and go tool")

	for _, info := range []*debug.BuildInfo{
		nil, own(debug.Module{Version: "(devel)"}), own(debug.Module{Version: "v1.2.4-0.20261121170000-abcdefabcdef+dirty"}),
	} {
		got, err = origin(info, here)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(Equal(scaffold.Framework{Checkout: from}), "go build and go run in a checkout")
	}

	got, err = origin(own(debug.Module{Version: "v0.0.0", Replace: &debug.Module{Path: from}}), "elsewhere")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(scaffold.Framework{Checkout: from}), "go tool of a program that replaces karafgo")

	for _, file := range []string{"github.com/karafgo/karafgo/cmd/karafgo/new.go", "/gone/cmd/karafgo/new.go", ""} {
		_, err = origin(own(debug.Module{Version: "(devel)"}), file)
		g.Expect(err).To(MatchError(HaveSuffix("is not found: name one with --framework-path")))
	}
}

func TestHelpFitsATerminal(t *testing.T) {
	for _, args := range [][]string{
		{}, {"new"}, {"generate"}, {"generate", "handler"}, {"generate", "responder"}, {"generate", "middleware"}, {"generate", "topic"},
	} {
		got := enter(append(args, "--help")...)
		NewWithT(t).Expect(got.code).To(Equal(0))
		NewWithT(t).Expect(wide(got.out)).To(BeEmpty(), strings.Join(args, " "))
	}
}
