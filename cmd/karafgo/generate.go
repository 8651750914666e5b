package main

import (
	"errors"
	"fmt"
	"path"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/scaffold"
)

// generating is what the commands of `karafgo generate` have in common.
type generating struct {
	place  scaffold.Place
	dryRun bool
}

func (c *cli) generate() *cobra.Command {
	var g generating
	cmd := &cobra.Command{
		Use:     "generate",
		GroupID: groupRun,
		Aliases: []string{"g"},
		Short:   "Add a handler, a responder, middleware or a topic to a program",
		Long: "Add a handler, a responder, middleware or a topic to the program of the current\n" +
			"folder, with its test, at the comments that begin with karafgo:. Nothing is\n" +
			"overwritten: the same command again changes nothing.",
		Args: cobra.NoArgs,
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&g.place.Package, "package", "",
		fmt.Sprintf("folder of the package to add to (default the one with %q)", string(scaffold.MarkDeclare)))
	flags.StringVar(&g.place.App, "app", "", "program to add to, where cmd has more than one")
	flags.BoolVar(&g.dryRun, "dry-run", false, "say what would be written, and write nothing")
	cmd.AddCommand(c.generateHandler(&g), c.generateResponder(&g), c.generateMiddleware(&g), c.generateTopic(&g))
	return cmd
}

func (c *cli) generateHandler(g *generating) *cobra.Command {
	var want scaffold.Consumer
	cmd := &cobra.Command{
		Use: "handler NAME", Short: "Add a handler of JSON records, with its route and its test",
		Args: oneName("generate handler", "invoices"),
		RunE: func(_ *cobra.Command, args []string) error {
			want.Name, want.Place = args[0], g.place
			return c.plan(g, "handler "+want.Name, func(m *scaffold.Module) (*scaffold.Plan, error) { return m.Consumer(want) },
				func(file string) string { return "Handle in " + file + " is where its work goes." })
		},
	}
	cmd.Flags().StringVar(&want.Topic, "topic", "", "topic that it consumes (default NAME)")
	cmd.Flags().BoolVar(&want.Batch, "batch", false, "consume batches of up to 500 records")
	return cmd
}

func (c *cli) generateResponder(g *generating) *cobra.Command {
	var want scaffold.Consumer
	cmd := &cobra.Command{
		Use: "responder NAME", Short: "Add a responder of JSON records, with its route and its test",
		Args: oneName("generate responder", "shipper --to orders.shipped"),
		RunE: func(_ *cobra.Command, args []string) error {
			if want.To == "" {
				return errors.New("say which topic it writes to, as in --to orders.shipped")
			}
			want.Name, want.Place = args[0], g.place
			return c.plan(g, "responder "+want.Name, func(m *scaffold.Module) (*scaffold.Plan, error) { return m.Consumer(want) },
				func(file string) string { return "Respond in " + file + " is where its answer is made." })
		},
	}
	cmd.Flags().StringVar(&want.Topic, "topic", "", "topic that it consumes (default NAME)")
	cmd.Flags().StringVar(&want.To, "to", "", "topic that it writes to (required); it is declared when the package does not know it")
	cmd.Flags().BoolVar(&want.Batch, "batch", false, "consume batches of up to 500 records")
	return cmd
}

func (c *cli) generateMiddleware(g *generating) *cobra.Command {
	return &cobra.Command{
		Use: "middleware NAME", Short: "Add middleware around all routes, with its test",
		Args: oneName("generate middleware", "audit"),
		RunE: func(_ *cobra.Command, args []string) error {
			want := scaffold.Middleware{Place: g.place, Name: args[0]}
			return c.plan(g, "middleware "+want.Name, func(m *scaffold.Module) (*scaffold.Plan, error) { return m.Middleware(want) },
				func(file string) string { return file + " is where it does something." })
		},
	}
}

func (c *cli) generateTopic(g *generating) *cobra.Command {
	var want scaffold.Topic
	cmd := &cobra.Command{
		Use: "topic NAME", Short: "Declare a topic, with a type for its JSON values",
		Args: oneName("generate topic", "orders.shipped"),
		RunE: func(_ *cobra.Command, args []string) error {
			want.Name, want.Place = args[0], g.place
			return c.plan(g, "topic "+want.Name, func(m *scaffold.Module) (*scaffold.Plan, error) { return m.Topic(want) },
				func(file string) string {
					return "Its values are of a type in " + file + ".\n`go tool karafgo topics apply` makes it on a cluster."
				})
		},
	}
	cmd.Flags().IntVar(&want.Partitions, "partitions", scaffold.DefaultPartitions, "partitions to declare, 0 for the cluster's default")
	cmd.Flags().StringVar(&want.Payload, "payload", "", "type of its values, made when the package does not have it (default after NAME)")
	return cmd
}

// scaffoldExamples are those of `karafgo new` and `karafgo generate`.
func scaffoldExamples() map[string][]string {
	return map[string][]string{
		"new":      {"new shop", "new shop --module github.com/you/shop", "new shop --dir services/shop"},
		"generate": {"generate handler invoices --topic orders.priced", "generate topic orders.shipped --partitions 12"},
		"generate handler": {
			"generate handler invoices --topic orders.priced", "generate handler indexer --topic orders.priced --batch",
			"generate handler invoices --topic orders.priced --dry-run",
		},
		"generate responder":  {"generate responder shipper --topic orders.priced --to orders.shipped"},
		"generate middleware": {"generate middleware audit"},
		"generate topic":      {"generate topic orders.shipped", "generate topic orders.shipped --partitions 12 --payload Shipment"},
	}
}

// plan works out what is to be done, does it, and tells it.
func (c *cli) plan(
	g *generating, what string, work func(m *scaffold.Module) (*scaffold.Plan, error), hint func(file string) string,
) error {
	m, err := scaffold.Open(".")
	if err != nil {
		return err
	}
	p, err := work(m)
	if err != nil {
		return err
	}
	if p.Nothing() {
		fmt.Fprintf(c.out, "%s is there already, nothing was changed.\n", what)
		return nil
	}
	if g.dryRun {
		fmt.Fprintf(c.out, "%s would be added:\n\n", what)
		c.tellSteps(p)
		return nil
	}
	if err := p.Apply(); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s is added:\n\n", what)
	c.tellSteps(p)
	fmt.Fprintf(c.out, "\nNext:\n\n  go test ./%s\n\n%s\n", path.Dir(p.Steps[0].Path), hint(p.Steps[0].Path))
	return nil
}

// tellSteps has a line for each file, with what it gets below.
func (c *cli) tellSteps(p *scaffold.Plan) {
	for _, s := range p.Steps {
		fmt.Fprintf(c.out, "  %-6s  %s\n", s.Action, s.Path)
		if s.Action == scaffold.Change {
			for _, added := range s.Added {
				fmt.Fprintf(c.out, "          + %s\n", added)
			}
		}
	}
	if len(p.ByHand) == 0 {
		return
	}
	fmt.Fprint(c.out, "\nAdd by hand, as no comment marks the place:\n\n")
	for _, h := range p.ByHand {
		fmt.Fprintf(c.out, "  %s:\n          + %s\n", h.Where, h.Line)
	}
}
