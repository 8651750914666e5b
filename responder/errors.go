package responder

import "errors"

// Errors of writing. Compare with errors.Is.
var (
	// ErrUndeclared: the responder does not declare the topic. Add it where the responder is made: responder.JSON(fn,
	// OrdersPriced.Optional()).
	ErrUndeclared = errors.New("topic is not declared as an output of this responder")
	// ErrNotWritten: the handler returned nil and wrote nothing to a Required output. Write to it, or declare it Optional.
	ErrNotWritten = errors.New("required output was not written")
	// ErrWriterClosed: the Writer was used after its handler returned.
	ErrWriterClosed = errors.New("writer used after its handler returned")
	// ErrNoDelivery: the message was made without a delivery (consumer.NewMessage with nil), so there is nothing to produce with.
	ErrNoDelivery = errors.New("message has no delivery to write through")
)
