package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/command"
	"github.com/karafgo/karafgo/internal/scaffold"
)

type newOptions struct {
	module, dir, framework string
	noTidy                 bool
}

func (c *cli) newProgram() *cobra.Command {
	var o newOptions
	cmd := &cobra.Command{
		Use:     "new NAME",
		GroupID: groupRun,
		Short:   "Make a program, with tests and all it takes to deploy it",
		Long: "Make a program in a folder of its own: routes, a responder and a handler with\n" +
			"tests, configuration for development and production, Makefile, Dockerfile,\n" +
			"compose file and a workflow for GitHub. Then `go mod tidy` collects the modules\n" +
			"that it needs.\n\n" +
			"Nothing is overwritten. When something fails or is interrupted, nothing is left.",
		Args: oneName("new", "shop"),
		RunE: func(_ *cobra.Command, args []string) error {
			return command.Interruptible(func(ctx context.Context) error { return c.makeProgram(ctx, args[0], o) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.module, "module", "", "path of its module, such as github.com/you/shop (default NAME)")
	flags.StringVar(&o.dir, "dir", "", "folder to make it in, which must not exist or be empty (default NAME)")
	flags.StringVar(&o.framework, "framework-path", "",
		"checkout of karafgo to replace the released module by (default the one that this karafgo was built from, if it was)")
	flags.BoolVar(&o.noTidy, "no-tidy", false, "do not run go mod tidy, which needs a network when karafgo is a release")
	return cmd
}

// oneName refuses other numbers of arguments, and says what to write instead.
func oneName(path, example string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("a name is missing, as in karafgo %s %s", path, example)
		case len(args) > 1:
			return fmt.Errorf("one name is wanted, not %d; if it is one of several words, write karafgo %s %s",
				len(args), path, strings.ToLower(strings.Join(args, "-")))
		}
		return nil
	}
}

var errNothingMade = errors.New("nothing was made")

func (c *cli) makeProgram(ctx context.Context, name string, o newOptions) error {
	app := scaffold.App{Name: name, Module: o.module}
	if err := app.Check(); err != nil {
		return err
	}
	dir := o.dir
	if dir == "" {
		dir = name
	}
	if err := scaffold.CheckFolder(dir); err != nil {
		return err
	}
	if _, err := exec.LookPath("go"); err != nil && !o.noTidy {
		return errors.New("the command go is not found: install Go from https://go.dev/dl, or add --no-tidy")
	}
	var err error
	if app.Framework, err = framework(o.framework); err != nil {
		return err
	}
	return c.makeIn(ctx, app, dir, o)
}

func (c *cli) makeIn(ctx context.Context, app scaffold.App, dir string, o newOptions) error {
	files, err := app.Files()
	if err != nil {
		return err
	}
	tidied := false
	err = scaffold.Create(dir, files, func() error {
		if o.noTidy {
			return ctx.Err()
		}
		fmt.Fprintln(c.err, "go mod tidy collects the modules it needs ...")
		err := tidy(ctx, dir)
		tidied = err == nil
		if err != nil && app.Framework.Checkout != "" && ctx.Err() == nil {
			fmt.Fprintf(c.err, "%s\nThe program can be built all the same: go.mod names somewhat more than it needs.\n\n", err)
			return nil
		}
		return err
	})
	if ctx.Err() != nil {
		return errNothingMade
	}
	if err != nil {
		return err
	}
	c.tellMade(ctx, app, dir, tidied)
	return nil
}

// framework is where the new program takes karafgo from.
func framework(checkout string) (scaffold.Framework, error) {
	if checkout != "" {
		dir, err := filepath.Abs(checkout)
		if err == nil {
			err = scaffold.CheckCheckout(dir)
		}
		if err != nil {
			return scaffold.Framework{}, fmt.Errorf("--framework-path: %w", err)
		}
		return scaffold.Framework{Checkout: dir}, nil
	}
	info, _ := debug.ReadBuildInfo()
	_, file, _, _ := runtime.Caller(0) //nolint:dogsled // where this file was when it was compiled
	return origin(info, file)
}

// origin finds out what this karafgo was built from: of a release the build knows version and checksum, of a checkout at most a version
// that nobody can download. file is one of its sources, in cmd/karafgo.
func origin(info *debug.BuildInfo, file string) (scaffold.Framework, error) {
	if info != nil && info.Main.Path == scaffold.ModulePath {
		if by := info.Main.Replace; by != nil && by.Version == "" {
			file = filepath.Join(by.Path, "cmd", "karafgo", "new.go")
		} else if by == nil && info.Main.Sum != "" {
			return scaffold.Framework{Version: info.Main.Version}, nil
		}
	}
	dir := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if filepath.IsAbs(dir) && scaffold.CheckCheckout(dir) == nil {
		return scaffold.Framework{Checkout: dir}, nil
	}
	return scaffold.Framework{}, errors.New(
		"this karafgo is no release, and the checkout that it was built from is not found: name one with --framework-path")
}

func tidy(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off") // a workspace does not know the program yet
	cmd.WaitDelay = time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go mod tidy failed; without a network, add --no-tidy and run it later:\n%s", lastLines(said.String(), err))
	}
	return nil
}

// lastLines are what go said last, which is why it failed; before stand downloads.
func lastLines(text string, err error) string {
	const most = 3
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	if said := strings.TrimSpace(strings.Join(lines, "\n")); said != "" {
		return said
	}
	return err.Error()
}

func (c *cli) tellMade(ctx context.Context, app scaffold.App, dir string, tidied bool) {
	fmt.Fprintf(c.out, "%s is made:\n\n%s\n", app.Name, filepath.Clean(dir))
	_ = command.PrintTable(c.out, func(w io.Writer) {
		for _, line := range [][2]string{
			{"  cmd/" + app.Name, "what it is made of, and a test that runs all of it"},
			{"  internal/orders", "topics, routes, a responder, a handler, and their tests"},
			{"  testdata", "records that `make dev` produces"},
			{"  karafgo.yaml", "configuration for development"},
			{"  config", "configuration for production"},
			{"  Makefile", "`make` lists what it can do"},
			{"  compose.yaml", "Apache Kafka in Docker"},
			{"  Dockerfile", "the image"},
			{"  .github", "what runs on every push"},
			{"  README.md", "how to go on"},
		} {
			fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
		}
	})
	if app.Framework.Checkout != "" {
		fmt.Fprintf(c.out, "\nIts go.mod replaces karafgo by the checkout\n%s\n", app.Framework.Checkout)
	}
	var next []string
	if clean := filepath.Clean(dir); clean != "." {
		next = append(next, "cd "+quote(clean))
	}
	if inWorkspace(ctx, dir) {
		next = append(next, "go work use .")
	}
	if !tidied {
		next = append(next, "go mod tidy")
	}
	fmt.Fprint(c.out, "\nNext:\n\n")
	for _, line := range append(next, "make test", "make dev") {
		fmt.Fprintf(c.out, "  %s\n", line)
	}
}

// inWorkspace reports whether a go.work is in force, which has to be told of another module.
func inWorkspace(ctx context.Context, dir string) bool {
	cmd := exec.CommandContext(ctx, "go", "env", "GOWORK")
	cmd.Dir = dir
	file, err := cmd.Output()
	name := strings.TrimSpace(string(file))
	return err == nil && name != "" && name != "off"
}

// quote makes a text one word of a shell.
func quote(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool {
		return r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+:@~", r)
	}) {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return text
}
