package offsets

import "errors"

// Mode says who moves the offset of a route.
type Mode uint8

const (
	// Automatic marks a record when it was handled, dead-lettered or explicitly skipped: at
	// least once. It is the default.
	Automatic Mode = iota
	// Manual leaves marking to the handler. The framework itself marks only what it dead-letters
	// or skips.
	Manual
	// AtMostOnce commits the offset before the record is handed over: a record is never delivered twice, and is lost where its handler
	// does not get to its end.
	AtMostOnce
	// ExactlyOnce commits offsets and outputs together, in transactions: whoever reads only what is committed sees the outputs of each
	// record once. It is drawn for a whole group.
	ExactlyOnce
	// External keeps the offset in a Store of the program's, in one unit of work with what the handler writes there: each record takes
	// effect exactly once in it.
	External
)

// String returns the name that route tables print.
func (m Mode) String() string {
	switch m {
	case Automatic:
		return "automatic"
	case Manual:
		return "manual"
	case AtMostOnce:
		return "at most once"
	case ExactlyOnce:
		return "exactly once"
	case External:
		return "external"
	default:
		return "unknown"
	}
}

// Errors that marks and contexts carry. Compare with errors.Is.
var (
	// ErrRevoked says that the partition is no longer this member's: another member handles its
	// records from the last committed offset on. A mark that returns it had no effect; undo what
	// must not happen twice, and return. It is also the cause (context.Cause) of a handler's
	// context that ends because its partition is taken away.
	ErrRevoked = errors.New("partition revoked: another member owns it now, the mark was dropped")

	// ErrStopping is the cause of a handler's context that ends because the process stops and
	// shutdown.drain is over. The record is not marked and will be delivered again.
	ErrStopping = errors.New("process stopping: the drain time is over, the record will be delivered again")

	// ErrAutomatic is returned by marks on a route that marks by itself. Draw the route with
	// ManualOffsets() to mark in the handler.
	ErrAutomatic = errors.New("route marks automatically: draw it with ManualOffsets() to mark in the handler")

	// ErrUnordered is returned by MarkThrough and CommitThrough on a route whose records are handled side by side
	// (Concurrency with ByKey or Unordered): what is before a record may not have been handled. Use Mark.
	ErrUnordered = errors.New("records of this route are handled side by side: mark each of them with Mark")
)
