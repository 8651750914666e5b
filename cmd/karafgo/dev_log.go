package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode"
)

// entry is a line of an app's log.
type entry struct {
	level   string
	message string
	fields  []field
	stack   string
}

// field is an attribute, its value as it is shown.
type field struct{ name, value string }

var errNoLog = errors.New("no line of a log")

// parseEntry reads what zap and slog write as JSON, and errNoLog of anything else.
func parseEntry(line []byte) (entry, error) {
	if len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		return entry{}, errNoLog
	}
	var e entry
	dec := json.NewDecoder(bytes.NewReader(line))
	_, _ = dec.Token() // {
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return entry{}, err
		}
		name, _ := token.(string)
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return entry{}, err
		}
		text, isText := textOf(raw)
		switch name {
		case "level":
			e.level = strings.ToLower(text)
		case "msg":
			e.message = text
		case "ts", "time": // the line gets one of its own
		case "stack", "stacktrace":
			e.stack = text
		default:
			if isText {
				text = quoted(text)
			}
			e.fields = append(e.fields, field{name, text})
		}
	}
	if e.level == "" || e.message == "" {
		return entry{}, errNoLog
	}
	return e, nil
}

// textOf is a text without its quotes, and other JSON as it is.
func textOf(raw json.RawMessage) (text string, isText bool) {
	if json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	return string(raw), false
}

// quoted is a value whose end can be seen.
func quoted(value string) string {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r == ' ' || r == '"' || r == '=' || !unicode.IsGraphic(r) }) {
		return strconv.Quote(value)
	}
	return value
}

// printed writes a line of the app: of its log, or whatever else it prints.
func (c *console) printed(line []byte) {
	e, err := parseEntry(line)
	if err != nil {
		c.line("print", "", printable(string(line)))
		return
	}
	if e.message == "partition positioned" { // one for each partition, before it joined is said
		return
	}
	colour := map[string]string{"debug": grey, "info": green, "warn": yellow}[e.level]
	if colour == "" {
		colour = red // error, and what is worse
	}
	words := strings.Fields(printable(e.message))
	for _, f := range e.fields { // a field is a word, however many its value has, unless that is a list
		list := items(f.value)
		words = append(words, c.paint(grey, printable(f.name)+"=")+list[0])
		words = append(words, list[1:]...)
	}
	text := c.wrap(words)
	if e.stack != "" {
		text += "\n" + c.paint(grey, e.stack)
	}
	c.line(e.level, colour, text)
}

// items are the words of a list in JSON, and anything else is one.
func items(value string) []string {
	var list []json.RawMessage
	if json.Unmarshal([]byte(value), &list) != nil || len(list) == 0 {
		return []string{value}
	}
	words := make([]string, len(list))
	for i, item := range list {
		words[i] = string(item) + ","
	}
	last := len(list) - 1
	words[last] = strings.TrimSuffix(words[last], ",") + "]"
	words[0] = "[" + words[0]
	return words
}

// printable is text as it is, or with escapes where a terminal would obey it.
func printable(text string) string {
	var safe strings.Builder
	for _, r := range text {
		if unicode.IsGraphic(r) || r == '\t' {
			safe.WriteRune(r)
			continue
		}
		escaped := strconv.QuoteRune(r)
		safe.WriteString(escaped[1 : len(escaped)-1])
	}
	return safe.String()
}
