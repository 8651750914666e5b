package router

import "time"

// Start says where a group begins that has no committed offset.
type Start struct {
	kind startKind
	at   time.Time
}

type startKind uint8

const (
	startEarliest startKind = iota
	startLatest
	startTime
)

// Where to start without a committed offset. The resolved position is committed at once, so that a restart, or another member,
// begins at the same place. A partition that is added while the process runs starts at its first record in any case.
var (
	// Earliest starts at the first record that still exists. It is the default.
	Earliest = Start{kind: startEarliest} //nolint:gochecknoglobals // a value, for want of struct constants
	// Latest starts after the last record.
	Latest = Start{kind: startLatest} //nolint:gochecknoglobals // as above
)

// Since starts at the first record whose timestamp is t or later (KIP-79), and after the last record when there is none.
func Since(t time.Time) Start { return Start{kind: startTime, at: t} }

// IsLatest reports whether s is Latest.
func (s Start) IsLatest() bool { return s.kind == startLatest }

// Time returns the time of Since, and whether s is one.
func (s Start) Time() (time.Time, bool) { return s.at, s.kind == startTime }

// String returns "earliest", "latest" or the time in RFC 3339.
func (s Start) String() string {
	switch s.kind {
	case startLatest:
		return "latest"
	case startTime:
		return s.at.Format(time.RFC3339)
	default:
		return "earliest"
	}
}
