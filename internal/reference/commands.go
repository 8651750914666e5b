package reference

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Commands writes a page about a command line: every command with its flags and examples, as its help has them. The command line is called
// name on it, whatever the process is called that writes the page; head is the page's own text, its title included.
func Commands(root *cobra.Command, name, head string) []byte {
	was := root.Use
	root.Use = name
	defer func() { root.Use = was }()
	c := commands{root: root, was: was}
	c.page.WriteString(head)
	c.list(root)
	c.write(root)
	return c.page.Bytes()
}

type commands struct {
	root *cobra.Command
	was  string // what examples call the program
	page bytes.Buffer
}

// list writes what there is, the root aside.
func (c *commands) list(root *cobra.Command) {
	c.page.WriteString("\n| command | |\n|---|---|\n")
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range visible(cmd) {
			if sub.Runnable() && (len(visible(sub)) == 0 || sub.Flags().HasAvailableFlags()) { // not what only has commands below it
				anchor := strings.ReplaceAll(sub.CommandPath(), " ", "-")
				fmt.Fprintf(&c.page, "| [`%s`](#%s) | %s |\n", sub.CommandPath(), anchor, cell(sub.Short))
			}
			walk(sub)
		}
	}
	walk(root)
}

func (c *commands) write(cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(&c.page, "\n## %s\n\n", cmd.CommandPath())
	c.prose(text)
	if use := cmd.UseLine(); cmd.Runnable() && use != cmd.CommandPath() {
		fmt.Fprintf(&c.page, "\n```text\n%s\n```\n", use)
	}
	c.flags("Flags", cmd.LocalNonPersistentFlags())
	c.flags("Flags of this and the commands below it", cmd.PersistentFlags())
	if cmd.Example != "" {
		c.page.WriteString("\n```sh\n")
		for line := range strings.Lines(cmd.Example + "\n") {
			line = strings.TrimSpace(line)
			if rest, ok := strings.CutPrefix(line, c.was+" "); ok {
				line = c.root.Name() + " " + rest
			}
			c.page.WriteString(line + "\n")
		}
		c.page.WriteString("```\n")
	}
	for _, sub := range visible(cmd) {
		c.write(sub)
	}
}

// prose writes help as Markdown: what is indented in it keeps its lines.
func (c *commands) prose(text string) {
	code, left, blank := false, false, true
	fence := func(on bool) {
		if code != on && on && !blank {
			c.page.WriteString("\n")
		}
		if code != on {
			c.page.WriteString(map[bool]string{true: "```text\n", false: "```\n"}[on])
		}
		left, code = code && !on, on
	}
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		line = strings.TrimRight(line, " \n")
		fence(strings.HasPrefix(line, " "))
		if left && line != "" {
			c.page.WriteString("\n")
		}
		left = false
		c.page.WriteString(strings.TrimSpace(line) + "\n")
		blank = line == ""
	}
	fence(false)
}

func (c *commands) flags(title string, set *pflag.FlagSet) {
	var rows []string
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		switch kind {
		case "string", "stringArray":
			kind = "text"
		case "strings":
			kind = "list"
		case "int", "int32":
			kind = "number"
		case "int32Slice":
			kind = "numbers"
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		if kind != "" {
			name += " " + kind
		}
		value := ""
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && f.DefValue != "0" { // as pflag's own
			value = "`" + f.DefValue + "`"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |\n", name, value, cell(usage)))
	})
	if len(rows) > 0 {
		fmt.Fprintf(&c.page, "\n%s:\n\n| flag | default | |\n|---|---|---|\n%s", title, strings.Join(rows, ""))
	}
}

// visible are the commands that help shows.
func visible(cmd *cobra.Command) []*cobra.Command {
	var subs []*cobra.Command
	for _, sub := range cmd.Commands() {
		if shown(sub) {
			subs = append(subs, sub)
		}
	}
	return subs
}

func shown(cmd *cobra.Command) bool {
	return !cmd.Hidden && cmd.Deprecated == "" && cmd.Name() != "help" && cmd.Name() != "completion"
}

// cell keeps a text from ending the cell of a table that it is in.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
