package lines

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const anObject = "an object"

func kindOf(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return anObject
	case '[':
		return "a list"
	case '"':
		return "a text"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

func isNull(raw []byte) bool { return string(raw) == "null" }

// lone is about escapes of text that is none; decoding it would put another character in its place.
const lone = `has half of a surrogate pair (such as \ud800), which is no text: bytes that are no UTF-8 stand in base64`

func stringOf(field string, raw []byte) (text string, err error) {
	if isNull(raw) {
		return "", nil
	}
	if kindOf(raw) != "a text" {
		return "", wrong(field, "want a text, got %s", kindOf(raw))
	}
	if !whole(raw) {
		return "", wrong(field, lone)
	}
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", wrong(field, "%s", err)
	}
	return text, nil
}

// whole reports whether the escapes of a JSON string are pairs where they need to be.
func whole(raw []byte) bool {
	high := false // the first half of a pair came just before
	for i := 0; i < len(raw); i++ {
		code := uint64(0)
		if raw[i] == '\\' {
			i++
			if i+4 < len(raw) && raw[i] == 'u' {
				code, _ = strconv.ParseUint(string(raw[i+1:i+5]), 16, 16) // it is JSON
				i += 4
			}
		}
		low := code >= 0xdc00 && code < 0xe000
		if high != low {
			return false
		}
		high = code >= 0xd800 && code < 0xdc00
	}
	return !high
}

func integerOf(field string, raw []byte, most int64) (int64, error) {
	if isNull(raw) {
		return -1, nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, wrong(field, "want a whole number from 0 to %d, got %s", most, short(raw))
	}
	return n, nil
}

func partitionOf(field string, raw []byte) (int32, error) {
	n, err := integerOf(field, raw, math.MaxInt32)
	return int32(n), err
}

func timeOf(field string, raw []byte) (t time.Time, err error) {
	if isNull(raw) {
		return t, nil
	}
	if ms, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), nil
	}
	text, err := stringOf(field, raw)
	if err == nil {
		if t, err = time.Parse(time.RFC3339, text); err == nil {
			return t.UTC(), nil
		}
	}
	return t, wrong(field, "want a time such as 2026-11-21T06:30:00Z, or milliseconds since 1970, got %s", short(raw))
}

func short(raw []byte) string {
	const most = 40
	if text := []rune(string(raw)); len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(raw)
}

// content is a key or a value, in one of its two fields.
type content struct {
	name  string
	bytes []byte
}

// set reads one of the fields; field is what errors call it.
func (c *content) set(name, field string, raw []byte) (err error) {
	if isNull(raw) {
		return nil
	}
	if c.bytes != nil {
		return wrong(field, "%s and %s%s are both given: leave one out", c.name, c.name, inBase64)
	}
	switch {
	case name != c.name:
		text, err := stringOf(field, raw)
		if err != nil {
			return err
		}
		if c.bytes, err = base64.StdEncoding.DecodeString(text); err != nil {
			return wrong(field, "want base64 of the standard alphabet, with padding: %s", err)
		}
		if c.bytes == nil {
			c.bytes = []byte{}
		}
	case kindOf(raw) == "a text":
		text, err := stringOf(field, raw)
		if err != nil {
			return err
		}
		c.bytes = []byte(text)
	default:
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			return wrong(field, "%s", err)
		}
		c.bytes = compact.Bytes()
	}
	return nil
}

// headersOf reads a list, or an object.
func headersOf(raw json.RawMessage) (headers []kgo.RecordHeader, err error) {
	switch kindOf(raw) {
	case "null":
		return nil, nil
	case "a list":
		return headerList(raw)
	case anObject:
		err = object(raw, func(name string, raw json.RawMessage) error {
			value := content{name: fieldValue}
			if err := value.set(fieldValue, "headers."+name, raw); err != nil {
				return err
			}
			headers = append(headers, kgo.RecordHeader{Key: name, Value: value.bytes})
			return nil
		})
		return headers, err
	default:
		return nil, wrong("headers", `want a list such as [{"key":"trace","value":"abc"}], or an object such as {"trace":"abc"}, got %s`,
			kindOf(raw))
	}
}

func headerList(raw json.RawMessage) (headers []kgo.RecordHeader, err error) {
	var all []json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, wrong("headers", "%s", err)
	}
	names := []string{fieldKey, fieldKey + inBase64, fieldValue, fieldValue + inBase64}
	for i, one := range all {
		place := fmt.Sprintf("headers[%d]", i+1)
		if kindOf(one) != anObject {
			return nil, wrong(place, `want {"key":"trace","value":"abc"}, got %s`, kindOf(one))
		}
		key, value := content{name: fieldKey}, content{name: fieldValue}
		given := map[string]bool{}
		err := object(one, func(name string, raw json.RawMessage) error {
			field := place + "." + name
			switch {
			case !slices.Contains(names, name):
				return wrong(field, "unknown field: want %s", strings.Join(names, ", "))
			case given[name]:
				return wrong(field, "stands in the header twice: leave one out")
			}
			given[name] = true
			if strings.HasPrefix(name, fieldKey) {
				return key.set(name, field, raw)
			}
			return value.set(name, field, raw)
		})
		switch {
		case err != nil:
			return nil, err
		case key.bytes == nil:
			return nil, wrong(place+".key", "is missing: every header has one")
		}
		headers = append(headers, kgo.RecordHeader{Key: string(key.bytes), Value: value.bytes})
	}
	return headers, nil
}
