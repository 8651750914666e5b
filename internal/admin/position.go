package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Position is a place in partitions, as people say it.
type Position struct {
	kind   positionKind
	offset int64
	time   time.Time
	text   string
}

type positionKind uint8

const (
	positionNone positionKind = iota
	positionEarliest
	positionLatest
	positionOffset
	positionTime
)

// PositionForms are the forms that ParsePosition reads, for help.
const PositionForms = "earliest, latest, an offset, a time (2026-11-21, 2026-11-21T06:00:00Z), or 2h for two hours ago"

// ParsePosition reads earliest, latest, an offset, a time, a day in UTC, or how long before now.
func ParsePosition(text string, now time.Time) (Position, error) {
	switch text {
	case "earliest":
		return Position{kind: positionEarliest, text: text}, nil
	case "latest":
		return Position{kind: positionLatest, text: text}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return Position{kind: positionOffset, offset: n, text: "offset " + text}, nil
	}
	t, err := ParseTime(text, now)
	if err != nil {
		return Position{}, fmt.Errorf("%s: want %s", text, PositionForms)
	}
	return Position{kind: positionTime, time: t, text: t.Format(time.RFC3339)}, nil
}

var errNoTime = errors.New("want 2026-11-21, 2026-11-21T06:00:00Z, or 2h for two hours ago")

// ParseTime reads a time, a day in UTC, or how long before now.
func ParseTime(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("%s: %w", text, errNoTime)
	}
	return now.Add(-ago).UTC(), nil
}

// String is how a plan calls it.
func (p Position) String() string { return p.text }

// resolve returns the offsets that it means, by topic and partition, and the errors of those that could not be found out. Of a time it is
// the first record then or later, or the end.
func (c *Cluster) resolve(ctx context.Context, p Position, b *bounds, topics []string) (kadm.ListedOffsets, error) {
	switch p.kind {
	case positionEarliest:
		return b.starts, nil
	case positionLatest:
		return b.ends, nil
	case positionTime:
		listed, err := c.admin.ListOffsetsAfterMilli(ctx, p.time.UnixMilli(), topics...)
		if err != nil {
			return nil, fmt.Errorf("find offsets at %s: %w", p, err)
		}
		return listed, nil
	default:
		at := kadm.ListedOffsets{}
		b.ends.Each(func(o kadm.ListedOffset) {
			if at[o.Topic] == nil {
				at[o.Topic] = map[int32]kadm.ListedOffset{}
			}
			o.Offset = p.offset
			at[o.Topic][o.Partition] = o
		})
		return at, nil
	}
}
