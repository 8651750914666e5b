package responder

import (
	"fmt"
	"slices"
	"strings"
)

// SendError says which record was not acknowledged. Err is the reason: one of the errors above, a kerr.Error that the broker answered,
// kgo.ErrRecordTimeout after producer.delivery_timeout, or what ended the context. With the last two nobody knows whether the broker has
// the record, or will have it: where the context ended it may still be under way.
type SendError struct {
	Topic string
	Key   []byte
	Err   error
}

// Error names the topic and the reason. The key is left out: it may be a secret.
func (e *SendError) Error() string { return fmt.Sprintf("send to topic %q: %v", e.Topic, e.Err) }

// Unwrap returns the reason.
func (e *SendError) Unwrap() error { return e.Err }

// many are the failures of several records. Errors.Is and errors.As find each of them; the text has what many have in common once.
type many []error

func join(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	default:
		return many(errs)
	}
}

// Error has a line for each reason.
func (m many) Error() string {
	var reasons []string
	count := map[string]int{}
	for _, err := range m {
		text := err.Error()
		if count[text] == 0 {
			reasons = append(reasons, text)
		}
		count[text]++
	}
	for i, text := range reasons {
		if n := count[text]; n > 1 {
			reasons[i] = fmt.Sprintf("%s (%d records)", text, n)
		}
	}
	return strings.Join(reasons, "\n")
}

// Unwrap returns all.
func (m many) Unwrap() []error { return m }
