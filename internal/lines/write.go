package lines

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Append appends a record as a line, with its line feed. Nothing in it is a control character, also none that JSON would allow: it may be
// shown on a terminal.
func Append(to []byte, r *kgo.Record) []byte {
	to = append(to, `{"topic":`...)
	to = appendText(to, r.Topic)
	to = append(to, `,"partition":`...)
	to = strconv.AppendInt(to, int64(r.Partition), 10)
	to = append(to, `,"offset":`...)
	to = strconv.AppendInt(to, r.Offset, 10)
	to = append(to, `,"timestamp":`...)
	to = appendTime(to, r.Timestamp)
	to = append(to, ',')
	to = appendField(to, fieldKey, r.Key)
	to = append(to, ',')
	to = appendField(to, fieldValue, r.Value)
	to = append(to, `,"headers":[`...)
	for i, h := range r.Headers {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, '{')
		to = appendField(to, fieldKey, []byte(h.Key))
		to = append(to, ',')
		to = appendField(to, fieldValue, h.Value)
		to = append(to, '}')
	}
	return append(to, "]}\n"...)
}

// timeLayout has the milliseconds that Kafka has.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// appendTime writes null for no time. What RFC 3339 has no year for is in milliseconds since 1970.
func appendTime(to []byte, t time.Time) []byte {
	const mostYear = 9999
	switch t = t.UTC(); {
	case t.IsZero() || t.UnixMilli() == -1: // as records have it that were written without
		return append(to, "null"...)
	case t.Year() < 0 || t.Year() > mostYear:
		return strconv.AppendInt(to, t.UnixMilli(), 10)
	default:
		return t.AppendFormat(append(to, '"'), timeLayout+`"`)
	}
}

func appendField(to []byte, name string, content []byte) []byte {
	switch {
	case content == nil:
		return append(to, `"`+name+`":null`...)
	case !utf8.Valid(content):
		to = append(to, `"`+name+inBase64+`":"`...)
		to = base64.StdEncoding.AppendEncode(to, content)
		return append(to, '"')
	default:
		return appendText(append(to, `"`+name+`":`...), string(content))
	}
}

// appendText is a JSON string in which everything is escaped that a terminal may obey.
func appendText(to []byte, text string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) //nolint:errchkjson // a string, into memory
	for _, c := range string(bytes.TrimSuffix(out.Bytes(), []byte("\n"))) {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) { // all below U+10000
			to = fmt.Appendf(to, `\u%04x`, c)
		} else {
			to = utf8.AppendRune(to, c)
		}
	}
	return to
}
