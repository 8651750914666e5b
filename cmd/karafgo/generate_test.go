package main

import (
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// inShop makes a program and changes into its folder.
func inShop(t *testing.T) {
	t.Helper()
	replaceGo(t, "exit 0")
	from := checkout(t)
	t.Chdir(t.TempDir())
	if got := enter("new", "shop", "--framework-path", from); got.code != 0 {
		t.Fatal(got.err)
	}
	t.Chdir("shop")
}

func TestGenerateTellsWhatItDid(t *testing.T) {
	g := NewWithT(t)
	inShop(t)
	args := []string{"generate", "responder", "ship-order", "--topic", "orders.priced", "--to", "orders.shipped"}
	steps := `
  create  internal/orders/ship_order.go
  create  internal/orders/ship_order_test.go
  change  internal/orders/topics.go
          + var OrdersShipped, type Shipped
          + r.Declare(OrdersShipped.Name(), router.Partitions(6))
  change  internal/orders/routes.go
          + func ShipOrderRoutes
  change  cmd/shop/main.go
          + orders.NewShipOrder,
          + orders.ShipOrderRoutes,
`
	g.Expect(enter(append(args, "--dry-run")...)).To(Equal(typed{0, "responder ship-order would be added:\n" + steps, ""}))
	g.Expect("internal/orders/ship_order.go").NotTo(BeAnExistingFile())
	g.Expect(enter(args...)).To(Equal(typed{0, "responder ship-order is added:\n" + steps + `
Next:

  go test ./internal/orders

Respond in internal/orders/ship_order.go is where its answer is made.
`, ""}))
	g.Expect(enter(args...)).To(Equal(typed{0, "responder ship-order is there already, nothing was changed.\n", ""}))
}

func TestGenerateSaysWhatRemains(t *testing.T) {
	g := NewWithT(t)
	inShop(t)
	text, err := os.ReadFile("cmd/shop/main.go")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile("cmd/shop/main.go", []byte(strings.ReplaceAll(string(text), "// karafgo:use", "")), 0o600)).To(Succeed())
	got := enter("g", "middleware", "audit")
	g.Expect(got).To(Equal(typed{0, `middleware audit is added:

  create  internal/orders/audit.go
  create  internal/orders/audit_test.go
  keep    cmd/shop/main.go

Add by hand, as no comment marks the place:

  among the parameters of framework.Use in cmd/shop/main.go:
          + orders.Audit(),

Next:

  go test ./internal/orders

internal/orders/audit.go is where it does something.
`, ""}))
}

func TestGenerateFitsATerminal(t *testing.T) {
	inShop(t)
	for _, args := range [][]string{
		{"handler", "invoices", "--topic", "orders.priced"},
		{"handler", "refunds", "--batch"},
		{"responder", "shipper", "--topic", "orders.priced", "--to", "orders.shipped"},
		{"middleware", "audit"},
		{"topic", "orders.paid", "--partitions", "12", "--payload", "Payment"},
	} {
		got := enter(append([]string{"generate"}, args...)...)
		NewWithT(t).Expect(got.code).To(Equal(0), got.err)
		NewWithT(t).Expect(wide(got.out)).To(BeEmpty())
	}
}

func TestGenerateRefusesWithOneLine(t *testing.T) {
	g := NewWithT(t)
	inShop(t)
	for want, args := range map[string][]string{
		"a name is missing, as in karafgo generate handler invoices: see karafgo generate handler --help": {"handler"},
		"one name is wanted, not 2; if it is one of several words, write karafgo generate topic a-b: see karafgo generate topic --help": {
			"topic", "a", "b",
		},
		"say which topic it writes to, as in --to orders.shipped":                     {"responder", "shipper"},
		`unknown command "model" for "karafgo generate": see karafgo generate --help`: {"model", "order"},
		`invalid argument "x" for "--partitions" flag: strconv.ParseInt: parsing "x": invalid syntax: see karafgo generate topic --help`: {
			"topic", "a", "--partitions", "x",
		},
		"--app other: no program of that name has // karafgo:routes; these do: cmd/shop/main.go": {"handler", "a", "--app", "other"},
	} {
		g.Expect(enter(append([]string{"generate"}, args...)...)).To(Equal(typed{1, "", "error: " + want + "\n"}))
	}
	t.Chdir(t.TempDir())
	g.Expect(enter("generate", "topic", "a")).To(Equal(typed{
		1, "", "error: no go.mod in this folder or above it: change into a program, or make one by karafgo new NAME\n",
	}))
}
