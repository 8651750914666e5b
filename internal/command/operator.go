package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Operator is whom a command may ask. Signals are not caught meanwhile: Ctrl-C ends the program.
type Operator struct {
	In io.Reader
	// Asks is true when somebody sits there.
	Asks bool
	// Columns is the width of standard output; 0 when it is no screen.
	Columns int
	// Colours is true where that screen shows colours, and nobody set NO_COLOR.
	Colours bool
}

// NewOperator is who sits at the terminal of this process, if anybody does.
func NewOperator() Operator {
	o := Operator{In: os.Stdin, Asks: term.IsTerminal(int(os.Stdin.Fd()))}
	if columns, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		o.Columns = max(columns, 1)
		o.Colours = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return o
}

var (
	errNobody   = errors.New("standard input is no terminal, so nobody can be asked: add --yes to go on without a question")
	errDeclined = errors.New("not confirmed, nothing was changed")
)

// Confirm asks a question on w and returns nil when it is answered with yes.
func (o Operator) Confirm(w io.Writer, question string) error {
	if !o.Asks {
		return errNobody
	}
	_, _ = fmt.Fprintf(w, "%s [y/N] ", question) // nobody to tell
	answer, err := bufio.NewReader(o.In).ReadString('\n')
	if err != nil {
		_, _ = fmt.Fprintln(w) // the line that Ctrl-D leaves open
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	default:
		return errDeclined
	}
}
