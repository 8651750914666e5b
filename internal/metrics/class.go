package metrics

import (
	"context"
	"errors"
	"net"
	"strings"
)

// unwrapLimit bounds how deep an error is looked into.
const unwrapLimit = 16

// class names an error by one of a bounded set of words: what Kafka calls it, TIMEOUT, NETWORK or OTHER. The text of an error would
// make a series of each offset and address.
func class(err error) string {
	for e, n := err, 0; e != nil && n < unwrapLimit; e, n = errors.Unwrap(e), n+1 {
		if name, ok := kafkaName(e.Error()); ok {
			return name
		}
	}
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "TIMEOUT"
	case errors.As(err, &network), errors.Is(err, net.ErrClosed):
		return "NETWORK"
	default:
		return "OTHER"
	}
}

// kafkaName finds the name in an error of the protocol, which the client writes as "NOT_LEADER_FOR_PARTITION: This server ...".
func kafkaName(text string) (string, bool) {
	name, _, ok := strings.Cut(text, ": ")
	if !ok || !strings.Contains(name, "_") {
		return "", false
	}
	other := func(r rune) bool { return (r < 'A' || r > 'Z') && r != '_' }
	return name, !strings.ContainsFunc(name, other)
}
