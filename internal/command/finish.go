package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is what a terminal has at least.
const helpWidth = 80

// Finish gives every command its examples, mistakes on the command line a hint, and help that fits a terminal, and adds what completes
// commands in a shell. Where root writes to is set before.
func Finish(root *cobra.Command, examples map[string][]string) {
	hint := func(cmd *cobra.Command, err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		path := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), root.Name()), " ")
		var lines []string
		for _, e := range examples[path] {
			lines = append(lines, "  "+root.Name()+" "+e)
		}
		cmd.Example = strings.Join(lines, "\n")
		for _, flags := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
			flags.VisitAll(func(f *pflag.Flag) { completeWithNothing(cmd, f) })
		}
		if check := cmd.Args; check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error { return hint(cmd, check(cmd, args)) }
		}
		if !cmd.Runnable() { // cobra would print help for a sub-command that there is not, and say nothing
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	root.InitDefaultCompletionCmd()
	walk(root)
	root.SetFlagErrorFunc(hint)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", helpWidth)))
}

// Explain puts several mistakes one a line, and escapes what a terminal would obey: errors quote what others wrote.
func Explain(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = Escaped(line)
	}
	return strings.Join(lines, "\n       ")
}
