package scaffold

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"go.yaml.in/yaml/v3"
)

// golden compares files with those below testdata/name, or with KARAFGO_UPDATE_GOLDEN=1 writes these.
func golden(t *testing.T, name string, files map[string][]byte) {
	t.Helper()
	root := filepath.Join("testdata", name)
	if os.Getenv("KARAFGO_UPDATE_GOLDEN") != "" {
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
		for file, data := range files {
			file = filepath.Join(root, filepath.FromSlash(file))
			if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	want := tree(t, root)
	for file, data := range files {
		if text, ok := want[file]; !ok || !bytes.Equal(text, data) {
			t.Errorf("%s/%s is not as it was; run the test with KARAFGO_UPDATE_GOLDEN=1 if that is meant.\nit is now:\n%s", root, file, data)
		}
		delete(want, file)
	}
	for file := range want {
		t.Errorf("%s/%s is not made any more; run the test with KARAFGO_UPDATE_GOLDEN=1 if that is meant", root, file)
	}
}

// tree reads all files below a folder.
func tree(t *testing.T, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)], err = os.ReadFile(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// release makes a program in a folder of its own, with karafgo from a release.
func release(t *testing.T, app App) string {
	t.Helper()
	app.Framework = Framework{Version: "v1.2.3"}
	dir := filepath.Join(t.TempDir(), app.Name)
	files, err := app.Files()
	if err == nil {
		err = Create(dir, files, func() error { return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// all are one of everything that can be generated.
var all = []func(m *Module) (*Plan, error){
	func(m *Module) (*Plan, error) { return m.Topic(Topic{Name: "orders.paid", Partitions: 12}) },
	func(m *Module) (*Plan, error) { return m.Consumer(Consumer{Name: "Invoices", Topic: "orders.paid"}) },
	func(m *Module) (*Plan, error) { return m.Consumer(Consumer{Name: "refunds", Batch: true}) },
	func(m *Module) (*Plan, error) {
		return m.Consumer(Consumer{Name: "ship_order", Topic: "orders.priced", To: "orders.shipped"})
	},
	func(m *Module) (*Plan, error) {
		return m.Consumer(Consumer{Name: "customer-stats", Topic: "orders.priced", To: "stats", Batch: true})
	},
	func(m *Module) (*Plan, error) { return m.Middleware(Middleware{Name: "audit"}) },
}

// generate applies plans to the program in dir.
func generate(t *testing.T, dir string, plans ...func(m *Module) (*Plan, error)) []*Plan {
	t.Helper()
	var done []*Plan
	for _, plan := range plans {
		m, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan(m)
		if err == nil {
			err = p.Apply()
		}
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, p)
	}
	return done
}

func TestAProgramIsAsItWas(t *testing.T) {
	files := tree(t, release(t, App{Name: "shop", Module: "example.com/shop"}))
	golden(t, "shop", files)
	for name, text := range files {
		if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
			NewWithT(t).Expect(yaml.Unmarshal(text, &map[string]any{})).To(Succeed(), name)
		}
	}
}

// Of what is generated the golden files show what is new or changed.
func TestWhatIsGeneratedIsAsItWas(t *testing.T) {
	dir := release(t, App{Name: "shop", Module: "example.com/shop"})
	before := tree(t, dir)
	for _, p := range generate(t, dir, all...) {
		NewWithT(t).Expect(p.ByHand).To(BeEmpty())
	}
	after := tree(t, dir)
	for file, text := range before {
		NewWithT(t).Expect(after).To(HaveKey(file))
		if bytes.Equal(after[file], text) {
			delete(after, file)
		}
	}
	golden(t, "generated", after)

	for _, p := range generate(t, dir, all...) {
		NewWithT(t).Expect(p.Nothing()).To(BeTrue(), "the second time there is nothing to do")
	}
}
