package reference_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// options are functions that say more about what another draws, and are shown where that is.
var options = []string{
	"router.MaxBackoff", "router.Partitions", "router.Replication", "router.TopicConfig", // of Retry, of Declare
	"consumer.Chain", "consumer.NewBatch", "consumer.DecodeBatch", "consumer.DecodeHeader", "consumer.Decode", // what handlers are made with
	"consumer.Drop", "consumer.HoldUntil", "consumer.Pass", "consumer.Delayed", "consumer.Expiring", "consumer.Throttled", // Decision, Route.Delay …
	"consumer.PrepareOutput", "consumer.RecordKey",
	"middleware.Levels", "middleware.Logger", "middleware.Propagator", "middleware.TracerProvider", "middleware.NewSet", "middleware.NewLast",
	"responder.From", "responder.Header", "responder.HeaderOf", "responder.Partition", "responder.Timestamp", // Option, Record
	"responder.FailWhenFull", "responder.Observe", "responder.OnClose", "responder.Transactions", "responder.NewProducer", // for who makes Producers
	"responder.JSONTopic", "responder.NewTopic", "responder.NewKeyedTopic", "responder.NewRecord", // Topic, KeyedTopic, Record
	"offsets.None",
}

// Every verb that draws, every adapter, verdict and middleware has an example that runs: on pkg.go.dev it stands below it.
func TestEveryVerbHasAnExample(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	checked := 0
	for _, name := range []string{"router", "consumer", "middleware", "responder", "callbacks", "offsets", "testkit"} {
		pkg, examples := readPackage(g, name)
		g.Expect(strings.Fields(pkg.Doc)).NotTo(BeEmpty(), "package %s has no comment", name)
		for _, verb := range verbs(pkg) {
			if slices.Contains(options, name+"."+verb) {
				continue
			}
			checked++
			has := slices.ContainsFunc(examples, func(e string) bool { return e == verb || strings.HasPrefix(e, verb+"_") })
			g.Expect(has).To(BeTrue(), "%s: write func Example%s", name, verb)
		}
	}
	g.Expect(checked).To(BeNumerically(">=", 60))
}

// verbs are the functions of a package, of package router also the methods that draw, and of testkit what a test begins with.
func verbs(pkg *doc.Package) (names []string) {
	if pkg.Name == "testkit" {
		return []string{"New", "Cluster", "NewDouble", "NewProducer", "NewStore"}
	}
	for _, f := range pkg.Funcs {
		names = append(names, f.Name)
	}
	for _, typ := range pkg.Types {
		for _, f := range typ.Funcs {
			names = append(names, f.Name)
		}
		if pkg.Name == "router" && slices.Contains([]string{"Router", "Group", "Route"}, typ.Name) {
			for _, f := range typ.Methods {
				names = append(names, typ.Name+"_"+f.Name)
			}
		}
	}
	return names
}

// readPackage returns what is documented of a package, and the names of its examples that run, without the word Example.
func readPackage(g *WithT, name string) (*doc.Package, []string) {
	paths, err := filepath.Glob("../../" + name + "/*.go")
	g.Expect(err).NotTo(HaveOccurred())
	set := token.NewFileSet()
	var code, tests []*ast.File
	for _, path := range paths {
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		g.Expect(err).NotTo(HaveOccurred())
		if strings.HasSuffix(path, "_test.go") {
			tests = append(tests, file)
		} else {
			code = append(code, file)
		}
	}
	pkg, err := doc.NewFromFiles(set, code, name)
	g.Expect(err).NotTo(HaveOccurred())
	var examples []string
	for _, e := range doc.Examples(tests...) {
		g.Expect(e.Output != "" || e.EmptyOutput).To(BeTrue(), "%s: Example%s has no // Output: and does not run", name, e.Name)
		examples = append(examples, e.Name)
	}
	return pkg, examples
}
