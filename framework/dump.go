package framework

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/karafgo/karafgo/internal/command"
	"github.com/karafgo/karafgo/internal/engine"
)

// dump writes what the process is doing, for people. It holds no keys and no payloads, except those that a handler's error quotes.
func (c *Control) dump(w io.Writer) error {
	e := c.engine.Load()
	if e == nil {
		return ErrNotRunning
	}
	return write(w, time.Now(), e.Groups(), e.Status())
}

func write(w io.Writer, now time.Time, groups []engine.GroupStatus, partitions []PartitionStatus) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) //nolint:mnd // two spaces between columns
	fmt.Fprintf(out, "karafgo: %s, %s at %s\n",
		command.Count(len(groups), "group"), command.Count(len(partitions), "partition"), now.Format(time.RFC3339))
	fmt.Fprintln(out, "GROUP\tPOLL LOOP AWAY\tBUFFERED BYTES\tMOST\tPAUSED BY")
	for _, g := range groups {
		fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%s\n", g.Group, g.PollAge.Round(time.Millisecond), g.Buffered, g.MaxBuffered, listed(g.Paused))
	}
	fmt.Fprintln(out)
	fmt.Fprintln(out, "GROUP\tTOPIC\tPARTITION\tEPOCH\tPOSITION\tCOMMITTED\tLAG\tQUEUED\tDOING")
	for _, p := range partitions {
		fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%d\t%s\n", p.Group, p.Topic, p.Partition, p.Epoch, p.Position,
			known(p.Committed, p.Committed >= 0), known(p.Lag, p.HighWatermark >= 0), p.Queued, doing(p, now))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the state of the process: %w", err)
	}
	return nil
}

func listed(reasons []string) string {
	if len(reasons) == 0 {
		return "-"
	}
	return strings.Join(reasons, ", ")
}

func known(n int64, ok bool) string {
	if !ok {
		return "unknown"
	}
	return strconv.FormatInt(n, 10)
}

// doing says in words what a partition does, since when, and what it waits for.
func doing(p PartitionStatus, now time.Time) string {
	var parts []string
	if r := p.Retrying; r != nil {
		what := fmt.Sprintf("offset %d failed %s", r.Offset, command.Count(r.Attempt, "time"))
		switch {
		case r.Blocked:
			what = fmt.Sprintf("blocked by offset %d after %s", r.Offset, command.Count(r.Attempt, "attempt"))
		case r.Last > r.Offset:
			what = fmt.Sprintf("batch of offsets %d to %d failed %s", r.Offset, r.Last, command.Count(r.Attempt, "time"))
		}
		if next := r.Next.Sub(now); next > 0 && p.Busy == 0 {
			what += ", again in " + next.Round(time.Millisecond).String()
		}
		parts = append(parts, what+": "+oneLine(r.Err))
	}
	switch {
	case p.WaitsFor > 0:
		parts = append(parts, fmt.Sprintf("waits for the handler of epoch %d, which was left behind at offset %d and runs for %s",
			p.WaitsFor, p.Handling, p.Busy.Round(time.Millisecond)))
	case p.Busy > 0:
		what := "handling"
		if p.State == "closed" {
			what = "taken away from this process, its handler was left behind: handling"
		}
		parts = append(parts, fmt.Sprintf("%s offset %d for %s", what, p.Handling, p.Busy.Round(time.Millisecond)))
	case p.State != "fetching":
		parts = append(parts, p.State)
	}
	if len(p.Paused) > 0 {
		parts = append(parts, "paused by "+strings.Join(p.Paused, ", "))
	}
	if len(parts) == 0 {
		return "idle"
	}
	return strings.Join(parts, "; ")
}

// mostOfAnError is how much of a handler's error a line shows.
const mostOfAnError = 300

// oneLine shows an error of a handler, which may hold anything, as a part of a line on a terminal.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	cut := len(text) > mostOfAnError
	if cut {
		text = strings.ToValidUTF8(text[:mostOfAnError], "") // not half of a letter
	}
	quoted := strconv.QuoteToGraphic(text)
	text = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if cut {
		text += " …"
	}
	return text
}
