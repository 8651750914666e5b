package main

import (
	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/command"
	"github.com/karafgo/karafgo/internal/kafka"
)

// cluster are the commands that need a cluster and no program, configured as programs are, and examples of them.
func (c *cli) cluster() ([]*cobra.Command, map[string][]string) {
	var source command.Source
	console := &command.Console{Out: c.out, Err: c.err, Operator: c.operator, Open: func() (*command.Site, error) {
		cfg, err := source.Load(nil)
		if err != nil {
			return nil, err //nolint:wrapcheck // each mistake says its place
		}
		return &command.Site{Config: cfg, Cluster: kafka.New(cfg, nil)}, nil
	}}
	commands := console.Commands()
	for _, cmd := range commands {
		cmd.GroupID = groupCluster
		source.Flags(cmd)
	}
	return commands, console.Examples()
}
