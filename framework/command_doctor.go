package framework

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/command"
	"github.com/karafgo/karafgo/internal/doctor"
)

// errUnwell is what doctor ends with after it has said what is wrong.
var errUnwell = errors.New("the program would not start")

func (c *cli) doctor() *cobra.Command {
	var out command.Format
	cmd := &cobra.Command{
		Use: "doctor", Short: "Find out what would keep the program from consuming", Args: cobra.NoArgs,
		Long: "Find out what would keep the program from consuming, and what to do about it:\n" +
			"configuration and routes, each broker with its version, TLS and SASL, every\n" +
			"topic, the rights to read, write, join groups and write transactions. Nothing\n" +
			"is consumed or changed.\n\n" +
			"Exit codes: 0 nothing fails, though there may be warnings; 1 something does.",
		RunE: func(*cobra.Command, []string) error {
			findings := []doctor.Finding{}
			failed := false
			tell := func(f doctor.Finding) {
				findings = append(findings, f)
				failed = failed || f.Result == doctor.Fail
				if out == command.Table {
					_, _ = io.WriteString(c.out, lines(f, c.operator))
				}
			}
			err := c.examine(tell)
			switch {
			case err != nil && out == command.Table:
				return err
			case out == command.Table:
				_, err = fmt.Fprintf(c.out, "\n%s\n", verdict(findings))
			default:
				err = errors.Join(out.Write(c.out, findings, nil), err)
			}
			if err == nil && failed {
				return errUnwell
			}
			return err //nolint:wrapcheck // standard output
		},
	}
	out.Flag(cmd)
	return cmd
}

// examine goes on as far as it can.
func (c *cli) examine(tell func(doctor.Finding)) error {
	cfg, err := c.load()
	if err != nil {
		tell(doctor.Failed(doctor.WhatConfiguration, "", cause(err)))
		return nil
	}
	tell(doctor.Finding{What: doctor.WhatConfiguration, Result: doctor.OK, Text: "right"})
	s, err := c.draw(cfg)
	if err != nil {
		tell(doctor.Failed(doctor.WhatRoutes, "", cause(err)))
		return nil
	}
	n := 0
	for _, g := range s.table.Groups() {
		n += len(g.Routes)
	}
	tell(doctor.Finding{
		What: doctor.WhatRoutes, Result: doctor.OK,
		Text: fmt.Sprintf("%s in %s", command.Count(n, "route"), command.Count(len(s.table.Groups()), "group")),
	})
	e := doctor.Examination{Config: s.cfg, Cluster: s.cluster, Routes: s.table, Tell: tell}
	return command.Interruptible(e.Run)
}

// cause is an error without that it keeps the program from starting, which is what all findings are about.
func cause(err error) error {
	if start, ok := errors.AsType[*StartError](err); ok {
		return start.Err
	}
	return err
}

// lines is a finding in lines that fit the screen, the remedy below.
func lines(f doctor.Finding, o command.Operator) string {
	const indent = "      "
	text := f.What
	if f.Name != "" {
		text += " " + f.Name
	}
	text += ": " + f.Text
	var all []string
	for line := range strings.SplitSeq(text, "\n") {
		all = append(all, command.Wrap(command.Escaped(line), indent, o.Columns))
	}
	if f.Remedy != "" {
		all = append(all, command.Wrap("remedy: "+command.Escaped(f.Remedy), indent, o.Columns))
	}
	first := fmt.Sprintf("%-*s", len(indent), f.Result)
	if o.Colours {
		colour := map[doctor.Result]string{doctor.OK: "\x1b[32m", doctor.Warn: "\x1b[33m", doctor.Fail: "\x1b[31m"}
		first = colour[f.Result] + first + "\x1b[0m"
	}
	return first + strings.TrimPrefix(strings.Join(all, "\n"), indent) + "\n"
}

func verdict(findings []doctor.Finding) string {
	n := map[doctor.Result]int{}
	for _, f := range findings {
		n[f.Result]++
	}
	text := "the program can start"
	if n[doctor.Fail] > 0 {
		text = "the program would not start"
	}
	return fmt.Sprintf("%s: %d ok, %s, %d failed", text, n[doctor.OK], command.Count(n[doctor.Warn], "warning"), n[doctor.Fail])
}
