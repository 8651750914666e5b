package scaffold

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/mod/modfile"
)

// checkout is the one that this test belongs to.
func checkout(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs a command of Go in a program, without a network, and with nothing else than its own go.mod.
func run(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off", "KARAFGO_TEST_BROKERS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, said)
	}
}

// What users get is built, vetted and tested here as they would do it, with one of everything that can be generated.
func TestAProgramPassesItsOwnTests(t *testing.T) {
	app := App{Name: "shop", Framework: Framework{Checkout: checkout(t)}}
	dir := filepath.Join(t.TempDir(), "shop")
	files, err := app.Files()
	if err != nil {
		t.Fatal(err)
	}
	if err := Create(dir, files, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	generate(t, dir, all...)
	for name, text := range tree(t, dir) {
		if strings.HasSuffix(name, ".go") {
			formatted, err := settle(nil, text)
			if err != nil || !bytes.Equal(formatted, text) {
				t.Errorf("%s is not formatted: %v", name, err)
			}
		}
	}
	run(t, dir, "vet", "./...") // compiles everything, tests too
	run(t, dir, "test", "./...")
	run(t, dir, "run", "./cmd/shop", "config", "check", "--config", "config/production.yaml")
}

func TestGoModOfACheckoutNamesAllThatIsNeeded(t *testing.T) {
	g := NewWithT(t)
	mod, sum, err := App{Name: "shop", Module: "shop", Framework: Framework{Checkout: checkout(t)}}.requirements()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mod.Module.Mod.Path).To(Equal("shop"))
	g.Expect(mod.Replace).To(HaveLen(1))
	g.Expect(mod.Replace[0].New.Path).To(Equal(checkout(t)))
	g.Expect(mod.Tool[0].Path).To(Equal(ModulePath + "/cmd/karafgo"))
	g.Expect(sum).NotTo(BeEmpty())
	own, err := readCheckout(checkout(t))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mod.Require).To(HaveLen(len(own.Require) + 1))
}

// A folder with a space, or another character that go.mod quotes.
func TestACheckoutMayHaveAnyPath(t *testing.T) {
	g := NewWithT(t)
	dir := filepath.Join(t.TempDir(), "my check'out")
	g.Expect(os.Mkdir(dir, 0o750)).To(Succeed())
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(checkout(t), name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(os.WriteFile(filepath.Join(dir, name), text, 0o600)).To(Succeed())
	}
	files, err := App{Name: "shop", Framework: Framework{Checkout: dir}}.Files()
	g.Expect(err).NotTo(HaveOccurred())
	for _, f := range files {
		if f.Path == "go.mod" {
			mod, err := modfile.Parse("go.mod", f.Data, nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(mod.Replace[0].New.Path).To(Equal(dir))
		}
	}
}

func TestReleasesNeedTheGoThatKarafgoNeeds(t *testing.T) {
	own, err := readCheckout(checkout(t))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(goVersion).To(Equal(own.Go.Version))
}
