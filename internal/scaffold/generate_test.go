package scaffold

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// shop is a program to add to.
func shop(t *testing.T) string {
	t.Helper()
	return release(t, App{Name: "shop"})
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace changes a file as a user would.
func replace(t *testing.T, dir, name, from, to string) {
	t.Helper()
	text := read(t, dir, name)
	if !strings.Contains(text, from) {
		t.Fatalf("%s has no %q", name, from)
	}
	write(t, dir, name, strings.ReplaceAll(text, from, to))
}

func plan(t *testing.T, dir string, work func(m *Module) (*Plan, error)) (*Plan, error) {
	t.Helper()
	m, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return work(m)
}

func invoices(m *Module) (*Plan, error) {
	return m.Consumer(Consumer{Name: "invoices", Topic: "orders.priced"})
}

func TestAFileThatDiffersIsNotOverwritten(t *testing.T) {
	g := NewWithT(t)
	dir := shop(t)
	generate(t, dir, invoices)
	replace(t, dir, "internal/orders/invoices.go", "return nil", "return nil // mine")
	before := tree(t, dir)
	_, err := plan(t, dir, invoices)
	g.Expect(err).To(MatchError("internal/orders/invoices.go exists and is not as it would be written, so nothing was: " +
		"choose another name, or remove the file"))
	g.Expect(tree(t, dir)).To(Equal(before))
}

// A route that was drawn differently meanwhile is the user's.
func TestARouteThatWasChangedStays(t *testing.T) {
	g := NewWithT(t)
	dir := shop(t)
	generate(t, dir, invoices)
	replace(t, dir, "internal/orders/routes.go", "200*time.Millisecond", "time.Second")
	p, err := plan(t, dir, invoices)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Nothing()).To(BeTrue())
}

func TestItWorksFromAnyFolderOfTheModule(t *testing.T) {
	g := NewWithT(t)
	dir := shop(t)
	p, err := plan(t, filepath.Join(dir, "internal", "orders"), invoices)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Steps[0].Path).To(Equal("internal/orders/invoices.go"))
	_, err = Open(t.TempDir())
	g.Expect(err).To(MatchError(ErrNoModule))
}

func TestWhatHasNoMarkerIsSaid(t *testing.T) {
	g := NewWithT(t)
	dir := shop(t)
	replace(t, dir, "cmd/shop/main.go", "\t\t\t// karafgo:routes\n", "")
	p := generate(t, dir, invoices)[0]
	g.Expect(p.ByHand).To(ConsistOf(ByHand{Where: "among the parameters of framework.Routes in cmd/shop/main.go", Line: "orders.InvoicesRoutes,"}))
	g.Expect(read(t, dir, "cmd/shop/main.go")).To(ContainSubstring("orders.NewInvoices,"))

	// Once it stands there, it is not asked for again.
	replace(t, dir, "cmd/shop/main.go", "\t\t\torders.NotifierRoutes,\n", "\t\t\torders.NotifierRoutes, orders.InvoicesRoutes,\n")
	p = generate(t, dir, invoices)[0]
	g.Expect(p.Nothing()).To(BeTrue())

	// Without any of them, nobody knows where the program is put together.
	replace(t, dir, "cmd/shop/main.go", "// karafgo:", "// ")
	p, err := plan(t, dir, func(m *Module) (*Plan, error) { return m.Middleware(Middleware{Name: "audit"}) })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.ByHand).To(ConsistOf(ByHand{Where: "among the parameters of framework.Use", Line: "orders.Audit(),"}))
}

func TestWithoutAPackageOneIsAskedFor(t *testing.T) {
	g := NewWithT(t)
	dir := shop(t)
	replace(t, dir, "internal/orders/topics.go", "\t// karafgo:declare\n", "")
	_, err := plan(t, dir, invoices)
	g.Expect(err).To(MatchError(`no file of module shop has the line "// karafgo:declare", which tells the package: ` +
		`name one, as in --package internal/orders`))

	p := generate(t, dir, func(m *Module) (*Plan, error) {
		return m.Consumer(Consumer{Place: Place{Package: "./internal/orders/"}, Name: "shipper", Topic: "orders.priced", To: "orders.shipped"})
	})[0]
	g.Expect(p.ByHand).To(ConsistOf(ByHand{
		Where: "where routes are drawn, such as in internal/orders/topics.go",
		Line:  "r.Declare(OrdersShipped.Name(), router.Partitions(6))",
	}))
}

// A package that is new, or has nothing of what is needed, gets it.
func TestAPackageIsMade(t *testing.T) {
	g := NewWithT(t)
	dir := shop(t)
	generate(t, dir, func(m *Module) (*Plan, error) {
		return m.Consumer(Consumer{Place: Place{Package: "internal/bill-ing"}, Name: "invoices", Topic: "orders.priced"})
	})
	g.Expect(read(t, dir, "internal/bill-ing/invoices.go")).To(HavePrefix("package billing\n"))
	g.Expect(read(t, dir, "internal/bill-ing/topics.go")).To(ContainSubstring(`var OrdersPriced = responder.JSONTopic[Priced]("orders.priced")`))
	g.Expect(read(t, dir, "internal/bill-ing/routes.go")).To(ContainSubstring("func InvoicesRoutes("))
	g.Expect(read(t, dir, "cmd/shop/main.go")).To(And(
		ContainSubstring("\t\"shop/internal/bill-ing\"\n\t\"shop/internal/orders\"\n"), ContainSubstring("billing.NewInvoices,"),
	))

	for _, place := range []string{"../elsewhere", "/tmp", ".."} {
		_, err := plan(t, dir, func(m *Module) (*Plan, error) {
			return m.Middleware(Middleware{Place: Place{Package: place}, Name: "audit"})
		})
		g.Expect(err).To(MatchError(HavePrefix("--package " + place + ": want a folder of the module, relative to ")))
	}
	_, err := plan(t, dir, func(m *Module) (*Plan, error) {
		return m.Middleware(Middleware{Place: Place{Package: "internal/1"}, Name: "audit"})
	})
	g.Expect(err).To(MatchError(`--package internal/1: "1" is no name of a package`))
}

func TestSeveralProgramsAndPackages(t *testing.T) {
	g := NewWithT(t)
	dir := shop(t)
	write(t, dir, "cmd/mailer/main.go", strings.ReplaceAll(read(t, dir, "cmd/shop/main.go"), "\"shop/internal/orders\"", "sales \"shop/internal/orders\""))
	_, err := plan(t, dir, invoices)
	g.Expect(err).To(MatchError("several files have // karafgo:routes: cmd/mailer/main.go, cmd/shop/main.go; choose a program with --app NAME"))
	_, err = plan(t, dir, func(m *Module) (*Plan, error) {
		return m.Consumer(Consumer{Place: Place{App: "other"}, Name: "invoices"})
	})
	g.Expect(err).To(MatchError(
		"--app other: no program of that name has // karafgo:routes; these do: cmd/mailer/main.go, cmd/shop/main.go"))
	generate(t, dir, func(m *Module) (*Plan, error) {
		return m.Consumer(Consumer{Place: Place{App: "mailer"}, Name: "invoices", Topic: "orders.priced"})
	})
	g.Expect(read(t, dir, "cmd/mailer/main.go")).To(ContainSubstring("sales.NewInvoices,"))
	g.Expect(read(t, dir, "cmd/shop/main.go")).NotTo(ContainSubstring("NewInvoices"))
	g.Expect(read(t, dir, "internal/orders/routes.go")).To(ContainSubstring(`r.Group("mailer.invoices",`))

	write(t, dir, "internal/mails/topics.go", "package mails\n\nfunc Topics(r *router.Router) {\n\t// karafgo:declare\n}\n")
	_, err = plan(t, dir, func(m *Module) (*Plan, error) { return m.Topic(Topic{Name: "mails"}) })
	g.Expect(err).To(MatchError(`several packages have the line "// karafgo:declare": internal/mails, internal/orders; ` +
		`choose one with --package, or change into its folder`))
	p, err := plan(t, filepath.Join(dir, "internal", "mails"), func(m *Module) (*Plan, error) { return m.Topic(Topic{Name: "mails"}) })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Steps[0].Path).To(Equal("internal/mails/topics.go"))
}

// A program may be a single package.
func TestAProgramOfOnePackage(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.com/tiny\n")
	write(t, dir, "main.go", `package main

import "github.com/karafgo/karafgo/framework"

func main() {
	framework.Main(
		fx.Provide(
			// karafgo:provide
		),
		framework.Routes(
			func(draw *router.Router) {
				// karafgo:declare
			},
			// karafgo:routes
		),
	)
}
`)
	p := generate(t, dir, func(m *Module) (*Plan, error) { return m.Consumer(Consumer{Name: "mail", To: "mails.sent"}) })[0]
	g.Expect(p.ByHand).To(BeEmpty())
	g.Expect(read(t, dir, "main.go")).To(And(
		ContainSubstring("\t\t\tNewMail,\n"), ContainSubstring("\t\t\tMailRoutes,\n"),
		ContainSubstring("\t\t\t\tdraw.Declare(MailsSent.Name(), router.Partitions(6))\n"),
	))
	g.Expect(read(t, dir, "routes.go")).To(ContainSubstring(`r.Group("tiny.mail",`))
}

func TestNamesThatAreTaken(t *testing.T) {
	dir := shop(t)
	for want, work := range map[string]func(m *Module) (*Plan, error){
		"Order is declared already, at internal/orders/topics.go:21: choose another name": func(m *Module) (*Plan, error) {
			return m.Consumer(Consumer{Name: "order"})
		},
		"Prices is declared already, at internal/orders/pricer.go:16: choose another name": func(m *Module) (*Plan, error) {
			return m.Middleware(Middleware{Name: "prices"})
		},
		"internal/orders/pricer.go exists and is not as it would be written, so nothing was: choose another name, or remove the file": func(
			m *Module,
		) (*Plan, error) {
			return m.Consumer(Consumer{Name: "pricer"})
		},
		"--payload Prices is no name for a struct, at internal/orders/pricer.go:16: want one such as Shipment": func(m *Module) (*Plan, error) {
			return m.Topic(Topic{Name: "shipments", Payload: "Prices"})
		},
		"--payload shipment is no name for a struct: want one such as Shipment": func(m *Module) (*Plan, error) {
			return m.Topic(Topic{Name: "shipments", Payload: "shipment"})
		},
		"topic orders.priced has PricedOrder for its values already, at internal/orders/topics.go:29": func(m *Module) (*Plan, error) {
			return m.Topic(Topic{Name: "orders.priced", Payload: "Order"})
		},
		"topic orders.priced is read and written, so records would go round for ever: choose another one with --to": func(m *Module) (*Plan, error) {
			return m.Consumer(Consumer{Name: "pricing", Topic: "orders.priced", To: "orders.priced"})
		},
		`topic "my topic" has a space: Kafka allows letters, digits, dots, underscores and hyphens`: func(m *Module) (*Plan, error) {
			return m.Consumer(Consumer{Name: "pricing", Topic: "my topic"})
		},
		"--partitions -1: want at least 1, or 0 for the cluster's default": func(m *Module) (*Plan, error) {
			return m.Topic(Topic{Name: "shipments", Partitions: -1})
		},
	} {
		_, err := plan(t, dir, work)
		NewWithT(t).Expect(err).To(MatchError(want))
	}
}

func TestTopicsAreNamedAfterThemselves(t *testing.T) {
	for name, want := range map[string]string{
		"shipments":     `var Shipments = responder.JSONTopic[Shipment]("shipments")`,
		"mail":          `var Mail = responder.JSONTopic[MailPayload]("mail")`,
		"orders.lost":   `var OrdersLost = responder.JSONTopic[Lost]("orders.lost")`,
		"refund.order":  `var RefundOrder = responder.JSONTopic[RefundOrderPayload]("refund.order")`, // Order is taken
		"prices":        `var PricesTopic = responder.JSONTopic[Price]("prices")`,                    // Prices is taken
		"Audit_LOG.ids": `var AuditLogIds = responder.JSONTopic[Ids]("Audit_LOG.ids")`,
	} {
		g := NewWithT(t)
		dir := shop(t)
		generate(t, dir, func(m *Module) (*Plan, error) { return m.Topic(Topic{Name: name}) })
		g.Expect(read(t, dir, "internal/orders/topics.go")).To(ContainSubstring(want))
	}
}

// Topics are known however they are written, and declared once.
func TestTopicsThatAreThereAlready(t *testing.T) {
	g := NewWithT(t)
	dir := shop(t)
	replace(t, dir, "internal/orders/topics.go", `[PricedOrder]("orders.priced")`, "[PricedOrder](priced)\n\nconst priced = \"orders.priced\"")
	replace(t, dir, "internal/orders/topics.go", "r.Declare(OrdersPriced.Name()", "r.Declare(priced")
	p, err := plan(t, dir, func(m *Module) (*Plan, error) { return m.Topic(Topic{Name: "orders.priced"}) })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Nothing()).To(BeTrue())

	replace(t, dir, "internal/orders/topics.go", "responder.JSONTopic[PricedOrder](priced)", "responder.NewTopic[PricedOrder](priced, codec)")
	_, err = plan(t, dir, invoices)
	g.Expect(err).To(MatchError(
		"topic orders.priced, at internal/orders/topics.go:29, is no responder.JSONTopic of a struct of its package: write this by hand"))

	// One that is declared in another package is not declared again.
	write(t, dir, "internal/other/topics.go", "package other\n\nfunc f() { r.Declare(\"mails\") }\n")
	generate(t, dir, func(m *Module) (*Plan, error) { return m.Topic(Topic{Name: "mails", Partitions: 3}) })
	g.Expect(read(t, dir, "internal/orders/topics.go")).To(And(ContainSubstring(`"mails"`), Not(ContainSubstring("Declare(Mails"))))
}

func TestSourcesThatDoNotParse(t *testing.T) {
	g := NewWithT(t)
	dir := shop(t)
	write(t, dir, "internal/orders/broken.go", "package orders\n\nfunc {\n")
	_, err := plan(t, dir, invoices)
	g.Expect(err).To(MatchError(And(HavePrefix("read package internal/orders: internal/orders/broken.go:3:"), HaveSuffix("; mend it first"))))

	dir = shop(t)
	replace(t, dir, "cmd/shop/main.go", "// karafgo:provide", "")
	replace(t, dir, "cmd/shop/main.go", "framework.Main(app())", "// karafgo:provide\n\tframework.Main(app())")
	_, err = plan(t, dir, invoices)
	g.Expect(err).To(MatchError(HavePrefix("change cmd/shop/main.go: what is added does not fit there: ")))
}

// Whatever has been written when something fails is taken back.
func TestNothingIsHalfGenerated(t *testing.T) {
	g := NewWithT(t)
	dir := shop(t)
	before := tree(t, dir)
	p, err := plan(t, dir, invoices)
	g.Expect(err).NotTo(HaveOccurred())
	last := p.Steps[len(p.Steps)-1]
	g.Expect(last.Path).To(Equal("cmd/shop/main.go"))
	g.Expect(os.Rename(filepath.Join(dir, last.Path), filepath.Join(dir, "main.go.kept"))).To(Succeed())
	g.Expect(os.Mkdir(filepath.Join(dir, last.Path), 0o750)).To(Succeed()) // a folder cannot be written
	g.Expect(p.Apply()).To(MatchError(HavePrefix("write cmd/shop/main.go: ")))
	g.Expect(os.Remove(filepath.Join(dir, last.Path))).To(Succeed())
	g.Expect(os.Rename(filepath.Join(dir, "main.go.kept"), filepath.Join(dir, last.Path))).To(Succeed())
	g.Expect(tree(t, dir)).To(Equal(before))
}
