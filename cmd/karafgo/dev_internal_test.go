package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
)

// screen is a console of so many columns; 0 are no terminal.
func screen(columns int) (*console, *bytes.Buffer) {
	var out bytes.Buffer
	at := time.Date(2026, 11, 21, 6, 30, 0, 0, time.UTC)
	return &console{out: &out, columns: columns, colour: columns > 0, now: func() time.Time { return at }}, &out
}

// uncoloured is what is read.
func uncoloured(text string) string { return escapes.ReplaceAllLiteralString(text, "") }

func TestLogOfTheApp(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"level":"info","ts":"2026-11-21T06:00:00Z","msg":"group joined","group":"pricing","partitions":3,"topics":["a","b"]}`://
		`06:30:00 info    group joined group=pricing partitions=3 topics=["a", "b"]`,
		`{"time":"2026-11-21T06:00:00Z","level":"WARN","msg":"handler failed","error":"no \"tea\"","took":"2 s","in":{"a":1}}`://
		`06:30:00 warn    handler failed error="no \"tea\"" took="2 s" in={"a":1}`,
		`{"level":"error","msg":"panic","stack":"main.go:1\nmain.go:2\n"}`://
		"06:30:00 error   panic main.go:1\n" + strings.Repeat(" ", indent) + "main.go:2",
		`{"level":"dpanic","msg":"x\u001b[31m","k\u001b":"\u001b"}`:   `06:30:00 dpanic  x\x1b[31m k\x1b="\x1b"`,
		`{"level":"info","msg":"partition positioned","partition":3}`: "",
		"hello":              "06:30:00 print   hello",
		"\tat \x1b[31mred":   "06:30:00 print   \tat \\x1b[31mred",
		`{"level":"info"}`:   `06:30:00 print   {"level":"info"}`,
		`{"msg":"no level"}`: `06:30:00 print   {"msg":"no level"}`,
		`{"level":"info"`:    `06:30:00 print   {"level":"info"`,
		`["level"]`:          `06:30:00 print   ["level"]`,
		"":                   "06:30:00 print",
	} {
		g := NewWithT(t)
		c, out := screen(0)
		c.printed([]byte(line))
		if want != "" {
			want += "\n"
		}
		want = strings.Replace(want, "panic main.go:1", "panic\n"+strings.Repeat(" ", indent)+"main.go:1", 1)
		g.Expect(out.String()).To(Equal(want), line)
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	c, out := screen(50)
	c.sayf("%s drains, up to its shutdown.drain; Ctrl-C %s ends it by force", "shop", "twice")
	c.printed([]byte(`{"level":"warn","msg":"handler failed","topic":"orders.created","partition":0,"error":"a b c d e f g h i j k l m n o p"}`))
	c.record(&kgo.Record{Topic: "orders", Partition: 2, Offset: 17, Key: []byte("ada"), Value: []byte(`{"sku":"TEA","price":"more than fits"}`)})
	c.record(&kgo.Record{Topic: "orders", Key: []byte{}, Value: nil})
	c.record(&kgo.Record{Topic: "orders", Value: []byte{0xff}})
	g.Expect(out.String()).To(ContainSubstring("\x1b[" + yellow + "mwarn"))
	g.Expect(uncoloured(out.String())).To(Equal(`06:30:00 karafgo shop drains, up to its
                 shutdown.drain; Ctrl-C twice ends
                 it by force
06:30:00 warn    handler failed
                 topic=orders.created partition=0
                 error="a b c d e f g h i j k l m n o p"
06:30:00 record  orders/2@17 ada: {"sku":"TEA","p…
06:30:00 record  orders/0@0 : a tombstone
06:30:00 record  orders/0@0 (1 bytes that are no …
`))
}

func TestColoursAreForTerminals(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	o := (&cli{}).operator
	g.Expect(newConsole(nil, o).colour).To(BeFalse(), "no terminal")
	o.Columns = 80
	g.Expect(newConsole(nil, o).colour).To(BeTrue())
	t.Setenv("NO_COLOR", "1")
	g.Expect(newConsole(nil, o).colour).To(BeFalse())
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	g.Expect(newConsole(nil, o).colour).To(BeFalse())
}

func TestLinesAreWhole(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var got []string
	w := &lineWriter{each: func(line []byte) { got = append(got, string(line)) }}
	for _, part := range []string{"a", "b\r\nc\n", "\n", "d", strings.Repeat("e", longestLine), "f\ng"} {
		n, err := w.Write([]byte(part))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(n).To(Equal(len(part)))
	}
	w.flush()
	w.flush()
	g.Expect(got).To(Equal([]string{"ab", "c", "", "d" + strings.Repeat("e", longestLine), "f", "g"}))
}

func TestAppFlagIsTakenOut(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--watch":                  "|--watch",
		"--app a --watch":          "a|--watch",
		"-o json --app=a list":     "a|-o json list",
		"list -- --app a":          "|list -- --app a",
		"--app a --app ./cmd/b -x": "./cmd/b|-x",
	} {
		which, rest, err := cutApp(strings.Fields(args))
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(which+"|"+strings.Join(rest, " ")).To(Equal(want), args)
	}
}

func TestProgramIsFound(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	root := t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "module example.com/shop\n")
	write(t, filepath.Join(root, "main.go"), "package main\n")
	found := func(dir, name string) string {
		t.Helper()
		a, err := findApp(filepath.Join(root, dir), name)
		g.Expect(err).NotTo(HaveOccurred())
		return a.pkg
	}
	g.Expect(found("", "")).To(Equal("."), "the only one there is")
	write(t, filepath.Join(root, "cmd", "migrate", "main.go"), "package main\n")
	g.Expect(found("cmd", "")).To(Equal("./cmd/migrate"), "cmd/ comes first")
	write(t, filepath.Join(root, "cmd", "shop", "main.go"), "package main\n\nimport \""+frameworkPath+"\"\n")
	write(t, filepath.Join(root, "cmd", "lib", "lib.go"), "package lib\n\nimport \""+frameworkPath+"\"\n")
	write(t, filepath.Join(root, "cmd", "gen", "gen.go"), "//go:build ignore\n\npackage main\n\nimport \""+frameworkPath+"\"\n")
	g.Expect(found("cmd/migrate", "")).To(Equal("./cmd/shop"), "of several the one that imports the framework")
	g.Expect(found("", "migrate")).To(Equal("./cmd/migrate"))
	g.Expect(found("cmd", "./shop")).To(Equal("./cmd/shop"))
	g.Expect(found("cmd", filepath.Join(root, "cmd", "shop"))).To(Equal("./cmd/shop"))
	g.Expect(found("", ".")).To(Equal("."))

	a, err := findApp(root, "shop")
	g.Expect(err).NotTo(HaveOccurred())
	b, err := findApp(root, "migrate")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.Dir(a.binary)).NotTo(Equal(filepath.Dir(b.binary)))
}

func TestWatcher(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	root := t.TempDir()
	file := func(parts ...string) string { return filepath.Join(append([]string{root}, parts...)...) }
	for _, name := range []string{"a.go", "b.go", "c.go"} {
		write(t, file("a", name), "")
	}
	write(t, file("testdata", "orders.jsonl"), "")
	write(t, file("other", "go.mod"), "")
	w, err := watch(root)
	g.Expect(err).NotTo(HaveOccurred())
	defer w.close()

	var all change // so far; a busy machine tells of one write twice
	wait := func(until func() bool) {
		t.Helper()
		for !until() {
			var c change
			g.Eventually(w.changes).Should(Receive(&c))
			all.code, all.samples = all.code || c.code, append(all.samples, c.samples...)
		}
	}
	// What is ignored comes before what is not.
	for _, ignored := range [][]string{
		{".git", "x.go"},
		{"vendor", "x.go"},
		{"node_modules", "x.go"},
		{"_old", "x.go"},
		{"other", "x.go"},
		{"new", ".x.go"},
		{"a", "a_test.go"},
		{"a", "notes.md"},
		{"a", "karafgo.yaml"},
		{"a", "go.mod.bak"},
		{"testdata", "deep", "x.jsonl"},
		{"x.jsonl"},
	} {
		write(t, file(ignored...), "x")
	}
	write(t, file("testdata", "orders.jsonl"), "x")
	wait(func() bool { return len(all.samples) > 0 })
	g.Expect(all).To(Equal(change{samples: []string{file("testdata", "orders.jsonl")}}))

	now := time.Now()
	for name, edit := range map[string]func() error{
		"a file":                 func() error { return os.WriteFile(file("a", "a.go"), []byte("x"), 0o600) },
		"go.mod":                 func() error { return os.WriteFile(file("go.mod"), nil, 0o600) },
		"the configuration":      func() error { return os.WriteFile(file("karafgo.yaml"), nil, 0o600) },
		"folders with a file":    func() error { write(t, file("new2", "c", "d.go"), "x"); return nil },
		"a file from elsewhere":  func() error { write(t, file("y"), "x"); return os.Rename(file("y"), file("a", "y.go")) },
		"a file that is touched": func() error { return os.Chtimes(file("a", "b.go"), now, now) },
		"a file that is gone":    func() error { return os.Remove(file("a", "c.go")) },
	} {
		all = change{}
		g.Expect(edit()).To(Succeed(), name)
		wait(func() bool { return all.code })
	}
	all = change{}
	write(t, file("testdata", "b.jsonl"), "x")
	write(t, file("testdata", "c.jsonl"), "x")
	wait(func() bool {
		return slices.Contains(all.samples, file("testdata", "b.jsonl")) && slices.Contains(all.samples, file("testdata", "c.jsonl"))
	})

	_, err = watch(file("nowhere"))
	g.Expect(err).To(MatchError(ContainSubstring(file("nowhere"))))
}

func TestBuildSaysWhatIsMissing(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "module example.com/shop\n")
	write(t, filepath.Join(root, "main.go"), "package main\n\nfunc main() {}\n")
	a := &app{root: root, pkg: ".", binary: filepath.Join(root, "bin", "shop")}
	t.Setenv("PATH", "")
	g.Expect(a.build(t.Context())).To(MatchError(ContainSubstring("there is no go command in PATH")))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	g.Expect(a.build(gone)).To(MatchError(context.Canceled))
}
