package framework

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// dump writes what every partition is doing, for people. It holds no keys and no payloads.
func dump(w io.Writer, partitions []PartitionStatus) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) //nolint:mnd // two spaces between columns
	fmt.Fprintf(out, "karafgo: %d partitions assigned at %s\n", len(partitions), time.Now().Format(time.RFC3339))
	fmt.Fprintln(out, "GROUP\tTOPIC\tPARTITION\tEPOCH\tPOSITION\tCOMMITTED\tLAG\tQUEUED\tDOING")
	for _, p := range partitions {
		fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%d\t%s\n", p.Group, p.Topic, p.Partition, p.Epoch, p.Position,
			known(p.Committed, p.Committed >= 0), known(p.Lag, p.HighWatermark >= 0), p.Queued, doing(p))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the state of the process: %w", err)
	}
	return nil
}

func known(n int64, ok bool) string {
	if !ok {
		return "unknown"
	}
	return strconv.FormatInt(n, 10)
}

// doing says in words what a partition does, since when, and what it waits for.
func doing(p PartitionStatus) string {
	var parts []string
	if r := p.Retrying; r != nil {
		what := fmt.Sprintf("offset %d failed %d times", r.Offset, r.Attempt)
		if r.Blocked {
			what = fmt.Sprintf("blocked by offset %d after %d attempts", r.Offset, r.Attempt)
		}
		if next := time.Until(r.Next); next > 0 && p.Busy == 0 {
			what += ", again in " + next.Round(time.Millisecond).String()
		}
		parts = append(parts, fmt.Sprintf("%s: %s", what, strings.Join(strings.Fields(r.Err.Error()), " ")))
	}
	switch {
	case p.Busy > 0:
		parts = append(parts, fmt.Sprintf("handling offset %d for %s", p.Position, p.Busy.Round(time.Millisecond)))
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
