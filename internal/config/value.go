package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var durationType = reflect.TypeFor[time.Duration]() //nolint:gochecknoglobals // constant

// The YAML tags that decide whether a value has the right type. An empty tag is a text of the
// environment or of a flag, which is of whatever type the key wants.
const (
	tagText  = "!!str"
	tagInt   = "!!int"
	tagFloat = "!!float"
	tagBool  = "!!bool"
	tagNull  = "!!null"
)

// scalar is a single value as a source spells it.
type scalar struct {
	text string
	tag  string
}

// raw is the value of a key as a source spells it: one scalar or a list of them.
type raw struct {
	items []scalar
	list  bool
}

// is tells whether the value may be of one of the types.
func (s scalar) is(tags ...string) bool { return s.tag == "" || slices.Contains(tags, s.tag) }

// parse turns a raw value into the Go value of a leaf, or returns what is wrong with it.
func (s *schema) parse(value raw) (any, string) {
	if s.typ.Kind() == reflect.Slice {
		return parseList(value)
	}

	if value.list {
		return nil, "is a list: write " + s.kind()
	}

	item := value.items[0]
	if item.tag == tagNull {
		return nil, "has no value: write " + s.kind() + " or remove the key"
	}

	switch {
	case s.typ == durationType:
		return parseDuration(item)
	case s.typ == bytesType:
		return parseSize(item)
	case s.typ == secretType:
		return parseSecret(item)
	case s.typ == versionType && item.is(tagFloat, tagInt, tagText):
		return item.text, ""
	case s.typ.Kind() == reflect.Bool:
		return parseBool(item)
	case s.typ.Kind() == reflect.Int:
		return parseInt(item)
	default:
		return parseText(item)
	}
}

func parseList(value raw) (any, string) {
	items := value.items

	switch {
	case value.list:
	case items[0].tag != "":
		return nil, fmt.Sprintf("%q is not a list: write [%s]", items[0].text, items[0].text)
	case items[0].text == "":
		items = nil
	default:
		items = nil
		for text := range strings.SplitSeq(value.items[0].text, ",") {
			items = append(items, scalar{text: strings.TrimSpace(text)})
		}
	}

	list := make([]string, len(items))

	for i, item := range items {
		text, wrong := parseText(item)
		if wrong != "" {
			return nil, "element " + strconv.Itoa(i+1) + ": " + wrong
		}

		list[i] = text.(string) //nolint:forcetypeassert // parseText returns text when nothing is wrong
	}

	return list, ""
}

func parseDuration(item scalar) (any, string) {
	const remedy = "is not a duration: write a number with a unit, such as 500ms, 30s or 1h30m"

	d, err := time.ParseDuration(item.text)
	if err == nil && item.is(tagText, tagInt, tagFloat) {
		return d, ""
	}

	if _, err := strconv.ParseUint(item.text, 10, 32); err == nil {
		return nil, fmt.Sprintf("%q is not a duration: a unit is missing, write %ss for seconds", item.text, item.text)
	}

	return nil, fmt.Sprintf("%q %s", item.text, remedy)
}

func parseSize(item scalar) (any, string) {
	size, err := ParseBytes(item.text)
	if err != nil {
		return nil, err.Error()
	}

	return size, ""
}

func parseBool(item scalar) (any, string) {
	if b, err := strconv.ParseBool(item.text); err == nil && item.is(tagBool) && len(item.text) > 1 {
		return b, ""
	}

	return nil, fmt.Sprintf("%q is not true or false", item.text)
}

func parseInt(item scalar) (any, string) {
	if n, err := strconv.Atoi(item.text); err == nil && item.is(tagInt) {
		return n, ""
	}

	return nil, fmt.Sprintf("%q is not a whole number", item.text)
}

func parseText(item scalar) (any, string) {
	switch {
	case item.tag == tagNull:
		return nil, `has no value: write one, or "" for none`
	case !item.is(tagText):
		return nil, fmt.Sprintf("%s is not text: quote it, as %q", item.text, item.text)
	case !printable(item.text):
		return nil, fmt.Sprintf("%q holds a character that cannot be printed", item.text)
	}

	return item.text, ""
}

// parseSecret is parseText without showing the text.
func parseSecret(item scalar) (any, string) {
	switch {
	case !item.is(tagText):
		return nil, "is not text: put it in quotes"
	case !printable(item.text):
		return nil, "holds a character that cannot be printed"
	}

	return item.text, ""
}

// printable keeps control characters out of every name and value: they end up in logs, and one of
// them is sep. What is not valid UTF-8 would not survive YAML.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) })
}
