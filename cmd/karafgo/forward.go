package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/command"
)

// The groups of commands in the help.
const (
	groupRun     = "run"
	groupCluster = "cluster"
	groupApp     = "app"
)

// forwarded are the commands that need the routes of an app, which only the app itself knows.
func (c *cli) forwarded() []*cobra.Command {
	var all []*cobra.Command
	for _, f := range []struct{ name, short string }{
		{"server", "Consume until SIGINT or SIGTERM"},
		{"routes", "Print what is consumed, how, and where it goes"},
		{"topics", "List, compare and make the topics of the app"},
		{"lag", "Print how far the groups of the app are behind"},
		{"dlq", "List dead letters, show one, replay them"},
		{"config", "Check or show the configuration"},
		{"doctor", "Find out what would keep the app from starting"},
	} {
		cmd := &cobra.Command{
			Use: f.name, Short: f.short, GroupID: groupApp,
			DisableFlagParsing: true, // they are the app's
			RunE:               func(_ *cobra.Command, args []string) error { return c.forward(f.name, args) },
			ValidArgsFunction: func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
				return completions(f.name, args, begun)
			},
		}
		cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { // karafgo help NAME
			if err := c.forward(f.name, []string{"--help"}); err != nil {
				cmd.PrintErrln("error:", command.Explain(err))
			}
		})
		all = append(all, cmd)
	}
	return all
}

// sayBuilding is after how long somebody who waits is told what for.
const sayBuilding = time.Second

// forward runs a command of the app of this folder, in this process's place.
func (c *cli) forward(name string, args []string) error {
	which, args, err := cutApp(args)
	if err != nil {
		return fmt.Errorf("%w: see karafgo %s --help", err, name)
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the app: %w", err)
	}
	a, err := findApp(dir, which)
	if err != nil {
		return fmt.Errorf("%s is a command of an app: %w", name, err)
	}
	err = command.Interruptible(func(ctx context.Context) error {
		telling := time.AfterFunc(sayBuilding, func() { fmt.Fprintln(c.err, "building", a.pkg) })
		defer telling.Stop()
		return a.build(ctx)
	})
	if failed := (*compileError)(nil); errors.As(err, &failed) {
		_, _ = c.err.Write(failed.output) // nobody to tell
	}
	if err != nil {
		return err
	}
	return become(a.binary, append([]string{"karafgo", name}, args...), appEnv(a.root, dir, os.Environ()))
}

// completions are those that the app has for what is begun. One that was not built yet is not built for that: a shell waits.
func completions(name string, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	const nothing = cobra.ShellCompDirectiveNoFileComp
	which, args, err := cutApp(args)
	if err != nil {
		return nil, nothing
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, nothing
	}
	a, err := findApp(dir, which)
	if err != nil {
		return nil, nothing
	}
	args = slices.Concat([]string{cobra.ShellCompRequestCmd, name}, args, []string{begun})
	cmd := exec.Command(a.binary, args...) //nolint:gosec,noctx // the user's own program; the shell ends it
	cmd.Env = appEnv(a.root, dir, os.Environ())
	out, err := cmd.Output()
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	last := len(lines) - 1
	directive, wrong := strconv.Atoi(strings.TrimPrefix(lines[last], ":"))
	if err != nil || wrong != nil {
		return nil, nothing
	}
	return lines[:last], cobra.ShellCompDirective(directive)
}

// cutApp takes --app out of the arguments of a forwarded command.
func cutApp(args []string) (which string, rest []string, err error) {
	for i := 0; i < len(args); i++ {
		switch value, ok := strings.CutPrefix(args[i], "--app="); {
		case args[i] == "--":
			return which, append(rest, args[i:]...), nil
		case ok:
			which = value
		case args[i] == "--app":
			i++
			if i == len(args) {
				return "", nil, errors.New("flag needs an argument: --app")
			}
			which = args[i]
		default:
			rest = append(rest, args[i])
			continue
		}
		if which == "" {
			return "", nil, errors.New("--app: want the name of a folder of cmd/, or a path")
		}
	}
	return which, rest, nil
}

// appEnv lets an app that is run from a folder below its module find the configuration of the module.
func appEnv(root, dir string, environ []string) []string {
	const variable = "KARAFGO_CONFIG"
	file := filepath.Join(root, "karafgo.yaml")
	if _, given := os.LookupEnv(variable); given || dir == root {
		return environ
	}
	if _, err := os.Stat("karafgo.yaml"); err == nil {
		return environ
	}
	if _, err := os.Stat(file); err != nil {
		return environ
	}
	return append(environ, variable+"="+file)
}
