package router

import "github.com/karafgo/karafgo/consumer"

// Ordering says what stays in order when a route handles records concurrently: [ByPartition], [ByKey], [ByKeyOf] or [Unordered].
type Ordering struct {
	kind orderingKind
	of   bool
	key  consumer.KeyFunc
}

type orderingKind uint8

const (
	byPartition orderingKind = iota
	byKey
	unordered
)

//nolint:gochecknoglobals // constants
var (
	// ByPartition handles the records of a partition one after the other.
	ByPartition = Ordering{}
	// ByKey handles the records of a partition that have the same key one after the other, in the order of their offsets, and others at the
	// same time. Records without a key are of one order.
	ByKey = Ordering{kind: byKey, key: consumer.RecordKey}
	// Unordered handles all records of a partition at the same time.
	Unordered = Ordering{kind: unordered}
)

// ByKeyOf is ByKey with a key that is computed, for instance of a header. It is called once for each record, must be quick, and may return
// nil for none.
func ByKeyOf(key consumer.KeyFunc) Ordering { return Ordering{kind: byKey, of: true, key: key} }

// SideBySide reports whether records of one partition are handled at the same time.
func (o Ordering) SideBySide() bool { return o.kind != byPartition }

// Key returns what tells records apart that may be handled at the same time, nil when there is no order between them at all.
func (o Ordering) Key() consumer.KeyFunc { return o.key }

// String returns "by partition", "by key" or "unordered".
func (o Ordering) String() string {
	switch {
	case o.kind == unordered:
		return "unordered"
	case o.of:
		return "by computed key"
	case o.kind == byKey:
		return "by key"
	default:
		return "by partition"
	}
}
