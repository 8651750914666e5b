package framework

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/command"
)

// The formats of drawings.
const (
	formatMermaid command.Format = "mermaid"
	formatDOT     command.Format = "dot"
)

func (c *cli) routes() *cobra.Command {
	var out command.Format
	cmd := &cobra.Command{
		Use: "routes", Short: "Print what is consumed, how, and where it goes", Args: cobra.NoArgs,
		Long: "Print what is consumed, how, and where it goes: the routes, and below them the\n" +
			"flow of records, incoming => outgoing. -o mermaid and -o dot draw the flow, for\n" +
			"Markdown and for Graphviz; -o json and -o yaml have both, for programs.",
		RunE: func(*cobra.Command, []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			s, err := c.draw(cfg)
			if err != nil {
				return err
			}
			flow := s.table.Flow()
			switch out {
			case formatMermaid:
				_, err = io.WriteString(c.out, flow.Mermaid())
			case formatDOT:
				_, err = io.WriteString(c.out, flow.DOT())
			default:
				err = out.Write(c.out, s.table, func(w io.Writer) { fmt.Fprintf(w, "%s\n%s", s.table, flow) })
			}
			return err
		},
	}
	out.Flag(cmd, formatMermaid, formatDOT)
	return cmd
}
