package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/admin"
)

// groupLine is a group in the list.
type groupLine struct {
	Group    string   `json:"group"`
	State    string   `json:"state"`
	Protocol string   `json:"protocol"`
	Members  int      `json:"members"`
	Lag      int64    `json:"lag"`
	Topics   []string `json:"topics"`
}

func (c *Console) groups() *cobra.Command {
	var out Format
	cmd := &cobra.Command{
		Use: "groups", Short: "Print the groups of the cluster", Args: cobra.NoArgs,
		Long: "Print the groups of the cluster, whoever made them: their state, how members\n" +
			"join (classic, or consumer for KIP-848), how many there are, how many offsets\n" +
			"they are behind, and the topics that they are assigned or have committed.",
		RunE: func(*cobra.Command, []string) error {
			s, a, err := c.open()
			if err != nil {
				return err
			}
			defer a.Close()
			var groups []admin.Group
			err = s.ask(func(ctx context.Context) (err error) {
				groups, err = a.Groups(ctx)
				return err //nolint:wrapcheck // it says what
			})
			if err != nil && groups == nil {
				return err
			}
			lines := make([]groupLine, len(groups))
			for i := range groups {
				g := &groups[i]
				lines[i] = groupLine{g.Group, g.State, g.Protocol, len(g.Members), g.Lag(), g.Topics}
			}
			return errors.Join(out.Write(c.Out, lines, func(w io.Writer) { writeGroups(w, lines, c.Operator.Columns) }), err)
		},
	}
	out.Flag(cmd)
	cmd.AddCommand(c.groupsShow())
	return cmd
}

// writeGroups cuts the list of topics where the screen ends.
func writeGroups(w io.Writer, groups []groupLine, columns int) {
	if len(groups) == 0 {
		fmt.Fprintln(w, "no groups")
		return
	}
	head := []string{"GROUP", "STATE", "PROTOCOL", "MEMBERS", "LAG"}
	fmt.Fprintln(w, strings.Join(head, "\t")+"\tTOPICS")
	rows := make([][]string, len(groups))
	widths := make([]int, len(head))
	for i, g := range groups {
		rows[i] = []string{Printable(g.Group), g.State, g.Protocol, strconv.Itoa(g.Members), strconv.FormatInt(g.Lag, 10)}
		for j, cell := range rows[i] {
			widths[j] = max(widths[j], len(cell), len(head[j]))
		}
	}
	left := 0
	if columns > 0 {
		left = columns
		for _, width := range widths {
			left -= width + 2
		}
		left = max(left, 20) //nolint:mnd // a name
	}
	for i, g := range groups {
		topics := "-"
		if len(g.Topics) > 0 {
			topics = Cut(strings.Join(g.Topics, ", "), left)
		}
		fmt.Fprintln(w, strings.Join(rows[i], "\t")+"\t"+topics)
	}
}

func (c *Console) groupsShow() *cobra.Command {
	var out Format
	cmd := &cobra.Command{
		Use: "show group", Short: "Print one group with its members and how far it is", Args: cobra.ExactArgs(1),
		Long: "Print one group: who its members are and what they are assigned, and how far it\n" +
			"is in every partition. Members are numbered; -o json has their ids.",
		RunE: func(_ *cobra.Command, args []string) error {
			s, a, err := c.open()
			if err != nil {
				return err
			}
			defer a.Close()
			var group *admin.Group
			if err := s.ask(func(ctx context.Context) (err error) {
				group, err = a.Group(ctx, args[0])
				return unknown(ctx, err, a, args[0])
			}); err != nil {
				return err
			}
			if out != Table {
				return out.Write(c.Out, group, nil)
			}
			return writeGroup(c.Out, group)
		},
	}
	out.Flag(cmd)
	cmd.ValidArgsFunction = c.Groups()
	return cmd
}

func writeGroup(to io.Writer, g *admin.Group) error {
	protocol := g.Protocol
	if g.Balancer != "" {
		protocol += ", " + g.Balancer
	}
	if err := PrintTable(to, func(w io.Writer) {
		fmt.Fprintf(w, "group:\t%s\nstate:\t%s\nprotocol:\t%s\n", Printable(g.Group), g.State, protocol)
		fmt.Fprintf(w, "coordinator:\tbroker %d\nmembers:\t%d\n", g.Coordinator, len(g.Members))
	}); err != nil {
		return err
	}
	numbers := map[string]int{}
	if len(g.Members) > 0 {
		fmt.Fprintln(to)
		if err := PrintTable(to, func(w io.Writer) {
			fmt.Fprintln(w, "MEMBER\tCLIENT\tHOST\tASSIGNED")
			for i, m := range g.Members {
				numbers[m.ID] = i + 1
				writeMember(w, i+1, m)
			}
		}); err != nil {
			return err
		}
	}
	if len(g.Partitions) == 0 {
		return nil
	}
	fmt.Fprintln(to)
	return PrintTable(to, func(w io.Writer) {
		fmt.Fprintln(w, "TOPIC\tPARTITION\tCOMMITTED\tEND\tLAG\tMEMBER")
		for _, p := range g.Partitions {
			committed, member := "-", "-"
			if p.Committed != nil {
				committed = strconv.FormatInt(*p.Committed, 10)
			}
			if n := numbers[p.Member]; n > 0 {
				member = strconv.Itoa(n)
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%s\n", p.Topic, p.Partition, committed, p.End, p.Lag.Lag, member)
		}
	})
}

// writeMember has a line for every topic.
func writeMember(w io.Writer, number int, m admin.Member) {
	client := Printable(m.Client)
	if m.Instance != "" {
		client += " (instance " + Printable(m.Instance) + ")"
	}
	cells := fmt.Sprintf("%d\t%s\t%s", number, client, m.Host)
	if len(m.Assigned) == 0 {
		fmt.Fprintln(w, cells+"\t-")
	}
	for _, a := range m.Assigned {
		fmt.Fprintf(w, "%s\t%s %s\n", cells, a.Topic, ranges(a.Partitions))
		cells = "\t\t"
	}
}

// ranges is "0-2, 5" for 0, 1, 2 and 5.
func ranges(partitions []int32) string {
	var parts []string
	for i := 0; i < len(partitions); {
		last := i
		for last+1 < len(partitions) && partitions[last+1] == partitions[last]+1 {
			last++
		}
		part := strconv.Itoa(int(partitions[i]))
		if last > i {
			part += fmt.Sprintf("-%d", partitions[last])
		}
		parts = append(parts, part)
		i = last + 1
	}
	return strings.Join(parts, ", ")
}
