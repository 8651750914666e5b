package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/karafgo/karafgo/internal/command"
)

// The colours of a terminal.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
	grey   = "90"
)

// console is where karafgo dev writes: a time, a label and a text, a line each, from several goroutines.
type console struct {
	mu      sync.Mutex
	out     io.Writer
	colour  bool
	columns int // of the terminal; 0 when it is none
	now     func() time.Time
}

func newConsole(out io.Writer, o command.Operator) *console {
	_, plain := os.LookupEnv("NO_COLOR") // https://no-color.org
	return &console{
		out: out, columns: o.Columns, now: time.Now,
		colour: o.Columns > 0 && (!plain || os.Getenv("NO_COLOR") == "") && os.Getenv("TERM") != "dumb",
	}
}

// Labels are as wide as the widest.
const labelWidth = len("karafgo")

// indent is where texts begin.
const indent = len("15:04:05 ") + labelWidth + 1

// sayf is a line of karafgo's own.
func (c *console) sayf(format string, args ...any) {
	c.line("karafgo", blue, c.wrap(strings.Fields(fmt.Sprintf(format, args...))))
}

// warnf is one that needs the reader.
func (c *console) warnf(format string, args ...any) {
	c.line("karafgo", red, c.wrap(strings.Fields(fmt.Sprintf(format, args...))))
}

// wrap puts words into as many lines as they need, and into one where there is no terminal.
func (c *console) wrap(words []string) string {
	var text strings.Builder
	at := 0 // where the line ends so far; colours take no room
	for i, word := range words {
		long := utf8.RuneCountInString(escapes.ReplaceAllLiteralString(word, ""))
		switch {
		case i == 0:
			at = indent + long
		case c.columns > 0 && at+1+long > c.columns:
			text.WriteString("\n")
			at = indent + long
		default:
			text.WriteString(" ")
			at += 1 + long
		}
		text.WriteString(word)
	}
	return text.String()
}

// escapes are those of paint.
var escapes = regexp.MustCompile(`\x1b\[\d*m`)

// line writes a text of one or more lines.
func (c *console) line(label, colour, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+strings.Repeat(" ", indent))
	head := c.paint(grey, c.now().Format(time.TimeOnly)) + " " + c.paint(colour, fmt.Sprintf("%-*s", labelWidth, label))
	_, _ = fmt.Fprintln(c.out, strings.TrimRight(head+" "+text, " ")) // nobody to tell
}

func (c *console) paint(colour, text string) string {
	if !c.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// lineWriter calls each with every line that is written to it. It is for one goroutine, as exec.Cmd has it.
type lineWriter struct {
	each func(line []byte)
	rest []byte
}

// longestLine is where a line is cut that does not end, in bytes.
const longestLine = 1 << 20

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 && len(w.rest) < longestLine {
			return len(p), nil
		}
		if end < 0 {
			w.flush()
			return len(p), nil
		}
		w.each(bytes.TrimSuffix(w.rest[:end], []byte("\r")))
		w.rest = w.rest[end+1:]
	}
}

// flush is the end of what is written.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.each(w.rest)
		w.rest = nil
	}
}
