package framework

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/command"
)

// letter is a dead letter as it is printed.
type letter struct {
	Topic     string       `json:"topic"`
	Partition int32        `json:"partition"`
	Offset    int64        `json:"offset"`
	FailedAt  *time.Time   `json:"failed_at"` // nil where the letter does not say
	Attempts  int          `json:"attempts"`
	Error     string       `json:"error"`
	ErrorType string       `json:"error_type"`
	Source    letterSource `json:"source"`
}

type letterSource struct {
	Group     string     `json:"group"`
	Topic     string     `json:"topic"`
	Partition int32      `json:"partition"`
	Offset    int64      `json:"offset"`
	Timestamp *time.Time `json:"timestamp"`
}

// openLetter is what `dlq show` prints.
type openLetter struct {
	letter
	content
}

// content is what only an open letter shows. A key or value that is null has neither of its fields.
type content struct {
	Key         *string        `json:"key,omitempty"`
	KeyBase64   *string        `json:"key_base64,omitempty"`
	Value       *string        `json:"value,omitempty"`
	ValueBase64 *string        `json:"value_base64,omitempty"`
	Headers     []letterHeader `json:"headers"`
}

type letterHeader struct {
	Key         string  `json:"key"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 *string `json:"value_base64,omitempty"`
}

func letterOf(l admin.Letter) letter {
	return letter{
		Topic: l.Record.Topic, Partition: l.Record.Partition, Offset: l.Record.Offset, FailedAt: told(l.FailedAt), Attempts: l.Attempts,
		Error: strings.ToValidUTF8(l.Error, "\uFFFD"), ErrorType: l.ErrorType,
		Source: letterSource{l.Source.Group, l.Source.Topic, l.Source.Partition, l.Source.Offset, told(l.Source.Timestamp)},
	}
}

// told is nil for the zero time.
func told(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func openLetterOf(from admin.Letter) *openLetter {
	l := &openLetter{letter: letterOf(from), content: content{Headers: []letterHeader{}}}
	l.Key, l.KeyBase64 = textOrBase64(from.Key)
	l.Value, l.ValueBase64 = textOrBase64(from.Value)
	for _, h := range from.Headers {
		one := letterHeader{Key: h.Key}
		one.Value, one.ValueBase64 = textOrBase64(h.Value)
		l.Headers = append(l.Headers, one)
	}
	return l
}

func textOrBase64(b []byte) (text, base *string) {
	switch {
	case b == nil:
		return nil, nil
	case utf8.Valid(b):
		return new(string(b)), nil
	default:
		return nil, new(base64.StdEncoding.EncodeToString(b))
	}
}

// writeLetters cuts errors where the screen ends; columns is its width, 0 for none. `dlq show` has all of an error.
func writeLetters(w io.Writer, letters []letter, columns int) {
	if len(letters) == 0 {
		fmt.Fprintln(w, "no letters")
		return
	}
	fmt.Fprintln(w, "LETTER\tFAILED AT\tSOURCE\tATTEMPTS\tERROR")
	place := func(l letter) string { return fmt.Sprintf("%d@%d", l.Partition, l.Offset) }
	places, sources := len("LETTER"), len("SOURCE")
	for _, l := range letters {
		places, sources = max(places, len(place(l))), max(sources, len(l.Source.String()))
	}
	const between, least = 2, 20
	most := max(columns-places-len("2006-01-02T15:04:05Z")-sources-len("ATTEMPTS")-4*between, least)
	for _, l := range letters {
		text := []rune(oneLine(errors.New(l.Error)))
		if columns > 0 && len(text) > most {
			text = append(text[:most-2], ' ', '…')
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", place(l), when(l.FailedAt), l.Source, l.Attempts, orDash(string(text)))
	}
}

func (s letterSource) String() string {
	if s.Topic == "" {
		return "-"
	}
	return fmt.Sprintf("%s/%d@%d", s.Topic, s.Partition, s.Offset)
}

func when(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func writeLetter(w io.Writer, l *openLetter) {
	fmt.Fprintf(w, "letter:\t%s/%d@%d\n", l.Topic, l.Partition, l.Offset)
	fmt.Fprintf(w, "source:\t%s\n", l.Source)
	fmt.Fprintf(w, "timestamp:\t%s\n", when(l.Source.Timestamp))
	fmt.Fprintf(w, "group:\t%s\n", orDash(l.Source.Group))
	fmt.Fprintf(w, "failed at:\t%s\n", when(l.FailedAt))
	fmt.Fprintf(w, "attempts:\t%d\n", l.Attempts)
	fmt.Fprintf(w, "error type:\t%s\n", orDash(l.ErrorType))
	fmt.Fprintf(w, "error:\t%s\n", orDash(command.Printable(l.Error)))
	fmt.Fprintf(w, "key:\t%s\n", shown(l.Key, l.KeyBase64))
	for _, h := range l.Headers {
		if !strings.HasPrefix(h.Key, "karafgo-") { // those are above
			fmt.Fprintf(w, "header:\t%s: %s\n", command.Printable(h.Key), shown(h.Value, h.ValueBase64))
		}
	}
	fmt.Fprintf(w, "value:\t%s\n", shown(l.Value, l.ValueBase64))
}

// shown is a key or a value as a terminal may see it.
func shown(text, base *string) string {
	switch {
	case text != nil:
		return command.Printable(*text)
	case base != nil:
		raw, _ := base64.StdEncoding.DecodeString(*base) // textOrBase64 encoded it
		return strconv.Quote(string(raw))
	default:
		return "null"
	}
}
