package scaffold

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestNamesOfPrograms(t *testing.T) {
	for _, name := range []string{"shop", "a", "my-shop", "shop2", "a--b", strings.Repeat("a", 63)} {
		NewWithT(t).Expect(App{Name: name}.Check()).To(Succeed(), name)
	}
	for name, want := range map[string]string{
		"":                      "a name is missing: karafgo new shop",
		"My Shop":               `name "My Shop" has 'M', a space and 'S', and may only have a to z, 0 to 9 and hyphens; try my-shop`,
		"shop!":                 `name "shop!" has '!', and may only have a to z, 0 to 9 and hyphens; try shop`,
		"2shop":                 `name "2shop" must begin with a letter; try shop`,
		"-shop":                 `name "-shop" must begin with a letter; try shop`,
		"shop-":                 `name "shop-" must not end in a hyphen; try shop`,
		"été":                   `name "été" has 'é', and may only have a to z, 0 to 9 and hyphens; try t`,
		"λμ":                    `name "λμ" has 'λ' and 'μ', and may only have a to z, 0 to 9 and hyphens`,
		"..":                    `name ".." has '.', and may only have a to z, 0 to 9 and hyphens`,
		"github.com/you/shop":   `name "github.com/you/shop" has a slash: only the last element is a name, the rest goes to --module or --dir; try karafgo new shop`,
		"./shop":                `name "./shop" has a slash: only the last element is a name, the rest goes to --module or --dir; try karafgo new shop`,
		"vendor":                `name "vendor" is that of folders which Go leaves out of programs: choose another one`,
		strings.Repeat("a", 64): `name of 64 characters is too long: it may have 63, as names in DNS`,
	} {
		NewWithT(t).Expect(App{Name: name}.Check()).To(MatchError(want))
	}
}

func TestPathsOfModules(t *testing.T) {
	for _, path := range []string{"shop", "github.com/you/shop", "example.com/shop/v2", "corp/shop"} {
		NewWithT(t).Expect(App{Name: "shop", Module: path}.Check()).To(Succeed(), path)
	}
	for path, want := range map[string]string{
		"my shop":                        "invalid char ' '",
		"github.com/you/":                "trailing slash",
		"/shop":                          "empty path element",
		"https://github.com/you/shop":    "double slash",
		"../shop":                        "invalid path element",
		"example.com/shop/v1":            "must be v2 or higher",
		"example.com/vendor/shop":        "copies of other modules",
		"github.com/karafgo/karafgo":     "karafgo's own",
		"github.com/karafgo/karafgo/cmd": "karafgo's own",
	} {
		err := App{Name: "shop", Module: path}.Check()
		NewWithT(t).Expect(err).To(MatchError(And(
			HavePrefix("--module "+path+" is no path of a module: "), ContainSubstring(want), HaveSuffix("; want one such as github.com/you/shop"),
		)))
	}
}

func TestWords(t *testing.T) {
	for name, want := range map[string][]string{
		"ship-order": {"ship", "order"}, "ship_order": {"ship", "order"}, "ShipOrder": {"ship", "order"}, "shipOrder": {"ship", "order"},
		"orders.shipped": {"orders", "shipped"}, "HTTPServer": {"http", "server"}, "orderID": {"order", "id"}, "v2Order": {"v2", "order"}, "a": {"a"},
	} {
		got, err := words(handler, name)
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), name)
		NewWithT(t).Expect(got).To(Equal(want), name)
	}
	for name, want := range map[string]string{
		"ship order": `name "ship order" has a space, and may only have letters, digits, hyphens, underscores and dots; try karafgo generate handler ship-order`,
		"a/b":        `name "a/b" has '/', and may only have letters, digits, hyphens, underscores and dots; try karafgo generate handler a-b`,
		"":           `name "" must begin with a letter`,
		"2nd":        `name "2nd" must begin with a letter`,
		"--":         `name "--" must begin with a letter`,
	} {
		_, err := words(handler, name)
		NewWithT(t).Expect(err).To(MatchError(want))
	}
	NewWithT(t).Expect(camel([]string{"order", "id", "audit"})).To(Equal("OrderIDAudit"))
}

func FuzzWords(f *testing.F) {
	for _, name := range []string{"ship-order", "HTTPServer", "a..b", "été", "x_test", "ABC"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		found, err := words(handler, name)
		if err != nil {
			return
		}
		for _, w := range found {
			if w == "" || w != strings.ToLower(w) || strings.ContainsAny(w, "-_.") {
				t.Errorf("%q is made of %q", name, found)
			}
		}
		if again, err := words(handler, strings.Join(found, "-")); err != nil || strings.Join(again, "-") != strings.Join(found, "-") {
			t.Errorf("%q is made of %q, and these of %q: %v", name, found, again, err)
		}
		fileName(found)
		camel(found)
	})
}

// A file that the go tool would leave out on other platforms, or take for a test, would be a riddle.
func TestFilesAreBuiltEverywhere(t *testing.T) {
	for name, want := range map[string]string{
		"ship_order": "ship_order", "load_test": "loadtest", "orders_linux": "orderslinux", "to_windows_amd64": "towindowsamd64", "linux": "linux",
	} {
		NewWithT(t).Expect(fileName(strings.Split(name, "_"))).To(Equal(want))
	}
}
