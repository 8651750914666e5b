package testkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// Matcher says whether something is true of a [Delivery]. It is a matcher for Gomega, which explains with the record's whole story, and
// what [Check] takes.
type Matcher struct {
	what  string
	holds func(d *Delivery) (bool, error)
}

// Match implements Gomega's matcher.
func (m *Matcher) Match(actual any) (bool, error) {
	d, ok := actual.(*Delivery)
	if !ok || d == nil {
		return false, fmt.Errorf("want what Deliver, DeliverAll or Produce returned, a *testkit.Delivery, got %T", actual)
	}
	return m.holds(d)
}

// FailureMessage implements Gomega's matcher.
func (m *Matcher) FailureMessage(actual any) string {
	return explain("expected the record to "+m.what, actual)
}

// NegatedFailureMessage implements Gomega's matcher.
func (m *Matcher) NegatedFailureMessage(actual any) string {
	return explain("expected the record not to "+m.what, actual)
}

func explain(expected string, actual any) string {
	return fmt.Sprintf("%s, but this is what happened:\n%v", expected, actual)
}

// Check fails the test, and goes on with it, when a matcher does not hold: what Expect is to Gomega's users.
func Check(tb testing.TB, d *Delivery, matchers ...*Matcher) {
	tb.Helper()
	for _, m := range matchers {
		ok, err := m.Match(d)
		switch {
		case err != nil:
			tb.Error(err)
		case !ok:
			tb.Error(m.FailureMessage(d))
		}
	}
}

// HaveMarked holds when the record is marked as consumed, and all before it in its partition.
func HaveMarked() *Matcher {
	return &Matcher{"be marked", func(d *Delivery) (bool, error) { return d.Marked(), nil }}
}

// HaveCommitted holds when the cluster has stored the mark. That takes commit.interval, 5 s, unless something else commits before.
func HaveCommitted() *Matcher {
	return &Matcher{"be committed", func(d *Delivery) (bool, error) { return d.Committed(), nil }}
}

// HaveHandled holds when a handler returned nil for the record, times times.
func HaveHandled(times int) *Matcher {
	return &Matcher{fmt.Sprintf("be handled %d times", times), func(d *Delivery) (bool, error) {
		return d.Handled() == times, nil
	}}
}

// HaveRetried holds when the record was handed over again after a failure, times times.
func HaveRetried(times int) *Matcher {
	return &Matcher{fmt.Sprintf("be retried %d times", times), func(d *Delivery) (bool, error) {
		return d.Retried() == times, nil
	}}
}

// HaveSkipped holds when the record was marked without having been handled: by a verdict, or by the end of OnFailure.
func HaveSkipped() *Matcher {
	return &Matcher{"be skipped", func(d *Delivery) (bool, error) { return d.Skipped(), nil }}
}

// HaveDeadLettered holds when the record was written to the dead letter topic of that name.
func HaveDeadLettered(topic string) *Matcher {
	return &Matcher{fmt.Sprintf("be written to dead letter topic %q", topic), func(d *Delivery) (bool, error) {
		return d.DeadLettered() == topic, nil
	}}
}

// HaveRetriedLater holds when the record was written to a retry topic. What became of it there, [Delivery.Forwarded] tells.
func HaveRetriedLater() *Matcher {
	return &Matcher{"be written to a retry topic", func(d *Delivery) (bool, error) { return d.RetriedLater() != "", nil }}
}

// HaveBlocked holds when the record holds up its partition.
func HaveBlocked() *Matcher {
	return &Matcher{"block its partition", func(d *Delivery) (bool, error) { return d.Blocked(), nil }}
}

// HaveFailed holds when an attempt failed, the last one as want says: an error for errors.Is, a string that its text contains, another
// matcher, or nil for any.
func HaveFailed(want any) *Matcher {
	what := "fail"
	if want != nil {
		what = fmt.Sprintf("fail with %v", want)
	}
	return &Matcher{what, func(d *Delivery) (bool, error) {
		err := d.Err()
		switch w := want.(type) {
		case nil:
			return err != nil, nil
		case error:
			return errors.Is(err, w), nil
		case string:
			return err != nil && strings.Contains(err.Error(), w), nil
		case submatcher:
			return w.Match(err)
		default:
			return false, fmt.Errorf("HaveFailed(%T): want an error, a string, a matcher or nil", want)
		}
	}}
}

// submatcher is a matcher of Gomega, or another that looks like one.
type submatcher interface {
	Match(actual any) (bool, error)
}

// HaveResponded holds when the record's handler wrote these values to the topic, in this order and no others; without values, when it wrote
// any. The topic is a responder.Topic or a name. A []byte or string is compared with the value as it is, a matcher is given the value as
// []byte, nil is a tombstone, and everything else is compared as JSON.
func HaveResponded(topic any, values ...any) *Matcher {
	name, err := topicName(topic)
	what := fmt.Sprintf("write to topic %q", name)
	if len(values) > 0 {
		what += " the values " + printed(values)
	}
	return &Matcher{what, func(d *Delivery) (bool, error) {
		if err != nil {
			return false, err
		}
		outs := d.Outputs(name)
		if len(values) == 0 {
			return len(outs) > 0, nil
		}
		if len(outs) != len(values) {
			return false, nil
		}
		for i, v := range values {
			if same, err := sameValue(outs[i].Value, v); err != nil || !same {
				return false, err
			}
		}
		return true, nil
	}}
}

func topicName(topic any) (string, error) {
	switch t := topic.(type) {
	case string:
		return t, nil
	case interface{ Name() string }:
		return t.Name(), nil
	default:
		return "", fmt.Errorf("HaveResponded(%T): want a responder.Topic or the name of a topic", topic)
	}
}

func printed(values []any) string {
	parts := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			parts[i] = "none (a tombstone)"
		case string, []byte:
			parts[i] = fmt.Sprintf("%q", v)
		case submatcher:
			parts[i] = fmt.Sprintf("%+v", v)
		default:
			data, err := json.Marshal(v)
			if err != nil {
				data = fmt.Appendf(nil, "%+v", v)
			}
			parts[i] = string(data)
		}
	}
	return strings.Join(parts, ", ")
}

// sameValue compares what was written with what is wanted.
func sameValue(have []byte, want any) (bool, error) {
	switch w := want.(type) {
	case nil:
		return have == nil, nil
	case []byte:
		return have != nil && bytes.Equal(have, w), nil
	case string:
		return have != nil && string(have) == w, nil
	case submatcher:
		return w.Match(have)
	}
	data, err := json.Marshal(want)
	if err != nil {
		return false, fmt.Errorf("encode the wanted value: %w", err)
	}
	var a, b any
	if err := json.Unmarshal(have, &a); err != nil {
		return false, nil //nolint:nilerr // what is not JSON is not the same; the story shows it
	}
	if err := json.Unmarshal(data, &b); err != nil {
		return false, fmt.Errorf("decode the wanted value: %w", err)
	}
	return reflect.DeepEqual(a, b), nil
}
