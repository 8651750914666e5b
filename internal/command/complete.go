package command

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/karafgo/karafgo/internal/admin"
)

// completing is how long a shell waits for names from the cluster. Whoever presses Tab is not told what is wrong.
const completing = 2 * time.Second

// Completion is what cobra asks for the words that may come next.
type Completion = cobra.CompletionFunc

// Topics completes the first argument with the topics of the cluster.
func (c *Console) Topics() Completion { return first(c.live((*admin.Cluster).TopicNames)) }

// Groups completes the first argument with the groups of the cluster, and those of the program.
func (c *Console) Groups() Completion { return first(c.live((*admin.Cluster).GroupNames)) }

// live asks the cluster.
func (c *Console) live(names func(*admin.Cluster, context.Context) ([]string, error)) Completion {
	return Words(func() []string {
		ctx, cancel := context.WithTimeout(context.Background(), completing)
		defer cancel()
		s, err := c.Open()
		if err != nil {
			return nil
		}
		opts, err := s.Cluster.Options()
		if err != nil {
			return nil
		}
		a, err := admin.Open(opts...)
		if err != nil {
			return nil
		}
		defer a.Close()
		answered := make(chan []string, 1)
		go func() {
			found, _ := names(a, ctx) // what could be found out
			answered <- found
		}()
		select {
		case found := <-answered:
			return found
		case <-ctx.Done(): // the client alone waits for a broker that accepts a connection and then says nothing; Close ends it
			return nil
		}
	})
}

// Words completes with some words, as a list that commas separate where there is one already. They are asked for only then.
func Words(words func() []string) Completion {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		listed := begun[:strings.LastIndex(begun, ",")+1]
		var found []string
		for _, word := range words() {
			if strings.HasPrefix(listed+word, begun) && !strings.Contains(","+listed, ","+word+",") {
				found = append(found, listed+word)
			}
		}
		slices.Sort(found)
		return slices.Compact(found), cobra.ShellCompDirectiveNoFileComp
	}
}

// first completes the first argument only.
func first(words Completion) Completion {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words(cmd, args, begun)
	}
}

// First completes the first argument with some words.
func First(words func() []string) Completion { return first(Words(words)) }

// Complete completes the values of flags of a command.
func Complete(cmd *cobra.Command, flags map[string]Completion) {
	for name, words := range flags {
		if err := cmd.RegisterFlagCompletionFunc(name, words); err != nil {
			panic(err) // a flag that the command does not have
		}
	}
}

// completeWithNothing keeps files from being offered for a flag that nobody completes, and which is not of a file.
func completeWithNothing(cmd *cobra.Command, f *pflag.Flag) {
	if _, done := cmd.GetFlagCompletionFunc(f.Name); !done && f.Name != "file" && f.Name != "config" {
		Complete(cmd, map[string]Completion{f.Name: Words(func() []string { return nil })})
	}
}

// positions are those of --to and --from that have names.
func positions() []string { return []string{"earliest", "latest"} }
