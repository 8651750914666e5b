package scaffold

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestImportsAreAddedToTheirKind(t *testing.T) {
	for name, c := range map[string]struct{ path, before, after string }{
		"there already": {"fmt", "package p\n\nimport \"fmt\"\n", "package p\n\nimport \"fmt\"\n"},
		"there already, with a name": {
			ModulePath + "/router", "package p\n\nimport r \"" + ModulePath + "/router\"\n", "package p\n\nimport r \"" + ModulePath + "/router\"\n",
		},
		"none":     {"time", "// Package p.\npackage p // really\n\nfunc f() {}\n", "// Package p.\npackage p // really\n\nimport (\n\t\"time\"\n)\n\nfunc f() {}\n"},
		"a single": {"time", "package p\n\nimport \"fmt\"\n", "package p\n\nimport (\n\t\"time\"\n)\n\nimport \"fmt\"\n"},
		"sorted among its kind": {
			ModulePath + "/responder",
			"package p\n\nimport (\n\t\"time\" // clock\n\n\t\"" + ModulePath + "/consumer\"\n\t\"" + ModulePath + "/router\"\n\n\t\"example.com/x\"\n)\n",
			"package p\n\nimport (\n\t\"time\" // clock\n\n\t\"" + ModulePath + "/consumer\"\n\t\"" + ModulePath + "/responder\"\n\t\"" + ModulePath +
				"/router\"\n\n\t\"example.com/x\"\n)\n",
		},
		"the first of its kind": {
			"time", "package p\n\nimport (\n\t\"example.com/x\"\n)\n", "package p\n\nimport (\n\t\"example.com/x\"\n\n\t\"time\"\n)\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := addImport([]byte(c.before), c.path)
			g.Expect(err).NotTo(HaveOccurred())
			got, err = settle([]byte(c.before), got)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got)).To(Equal(c.after))
		})
	}
}

func TestLinesAreAddedAboveMarkers(t *testing.T) {
	g := NewWithT(t)
	got, ok := insert([]byte("f(\n\ta,\n\t// karafgo:use: keep this\n)\n"), MarkUse, "b,")
	g.Expect(ok).To(BeTrue())
	g.Expect(string(got)).To(Equal("f(\n\ta,\n\tb,\n\t// karafgo:use: keep this\n)\n"))
	for _, text := range []string{"", "// karafgo:used\n", "x // karafgo:use\n", "// karafgo: use\n"} {
		_, ok := insert([]byte(text), MarkUse, "b,")
		g.Expect(ok).To(BeFalse(), text)
	}
}

// What somebody has laid out by hand stays so.
func TestOnlyWhatWasFormattedIsFormatted(t *testing.T) {
	g := NewWithT(t)
	before := "package p\nvar   a = 1\n"
	got, err := settle([]byte(before), []byte(before+"var   b = 1\n"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal(before + "var   b = 1\n"))
	_, err = settle([]byte(before), []byte(before+"}"))
	g.Expect(err).To(MatchError(ContainSubstring("what is added does not fit there")))
}
