package router

import (
	"fmt"
	"runtime"
)

type location struct {
	file string
	line int
}

func (l location) String() string { return fmt.Sprintf("%s:%d", l.file, l.line) }

// caller is the line of the user's code that called the exported function which calls it.
func caller() location {
	_, file, line, ok := runtime.Caller(2)
	if !ok {
		return location{file: "unknown"}
	}
	return location{file: file, line: line}
}

// topicProblem applies Kafka's own rule for topic names (org.apache.kafka.common.internals.Topic).
func topicProblem(name string) string {
	const most = 249
	switch {
	case name == "":
		return "topic name is empty"
	case name == "." || name == "..":
		return fmt.Sprintf("topic name %q is not allowed by Kafka", name)
	case len(name) > most:
		return fmt.Sprintf("topic name has %d characters, Kafka allows %d", len(name), most)
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return fmt.Sprintf("topic name %q contains %q: Kafka allows letters, digits, '.', '_' and '-'", name, c)
		}
	}
	return ""
}
