package framework

import (
	"io"
	"strings"

	"go.uber.org/fx"

	"github.com/karafgo/karafgo/internal/command"
)

// Execute is Main without its exit.
var Execute = execute

// ExecuteAsking is Execute on a terminal, where somebody types answer.
func ExecuteAsking(answer string, args []string, stdout, stderr io.Writer, opts []fx.Option) int {
	c := &cli{opts: opts, out: stdout, err: stderr, operator: command.Operator{In: strings.NewReader(answer), Asks: true}}
	return c.execute(args)
}
