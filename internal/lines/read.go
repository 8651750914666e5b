package lines

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	fieldKey   = "key"
	fieldValue = "value"
	inBase64   = "_base64"
)

// AnyPartition is the partition of a record whose line names none.
const AnyPartition = -1

// mostLine is the longest line that is read, in bytes: far above what a broker takes.
const mostLine = 256 << 20

// Error is what is wrong with a line, with the remedy.
type Error struct {
	// File and Line say where; the first line is 1.
	File string
	Line int
	// Field is the one that is wrong, empty for the whole line. Headers count from 1: headers[2].value.
	Field string
	// Problem says what is wrong, and what is wanted.
	Problem string
}

// Error returns all of it in one line.
func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Field, e.Problem)
}

// Reader reads records. It is not safe for concurrent use.
type Reader struct {
	in   *bufio.Reader
	file string
	line int
}

// NewReader reads from in, which errors call file.
func NewReader(file string, in io.Reader) *Reader {
	const atOnce = 64 << 10
	return &Reader{in: bufio.NewReaderSize(in, atOnce), file: file}
}

// Line is the number of the line that was read last, from 1 on.
func (r *Reader) Line() int { return r.line }

// Read returns the next record, with AnyPartition, offset -1 and no time where the line does not say; empty lines are passed over. The
// error is io.EOF at the end, an *Error for a line that is no record, after which the next line can be read, or that of the input.
func (r *Reader) Read() (*kgo.Record, error) {
	var text []byte
	for len(bytes.TrimSpace(text)) == 0 {
		var err error
		if text, err = r.Raw(); err != nil {
			return nil, err
		}
		if r.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // as some editors begin a file
		}
	}
	rec, err := record(text)
	if wrong := (*fieldError)(nil); errors.As(err, &wrong) {
		return nil, &Error{File: r.file, Line: r.line, Field: wrong.field, Problem: wrong.problem}
	}
	return rec, err
}

// Raw returns the next line as it is, without its line feed. The error is io.EOF at the end, or that of the input.
func (r *Reader) Raw() ([]byte, error) {
	text := []byte{}
	for {
		part, err := r.in.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case err == nil:
			r.line++
			return text[:len(text)-1], nil
		case errors.Is(err, io.EOF) && len(text) > 0:
			r.line++
			return text, nil
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("read %s: %w", r.file, err)
		case len(text) > mostLine:
			return nil, fmt.Errorf("read %s: line %d is longer than %d MiB: records are lines, separated by line feeds",
				r.file, r.line+1, mostLine>>20)
		}
	}
}

// fieldError is an Error without its place.
type fieldError struct{ field, problem string }

func (e *fieldError) Error() string { return e.field + ": " + e.problem }

func wrong(field, format string, args ...any) error {
	return &fieldError{field, fmt.Sprintf(format, args...)}
}

const sample = `{"key":"o-1","value":{"id":1}}`

func record(text []byte) (*kgo.Record, error) {
	if !utf8.Valid(text) {
		return nil, wrong("", "is not UTF-8: other bytes stand in key_base64 and value_base64")
	}
	if kind := kindOf(text); kind != anObject && json.Valid(text) {
		return nil, wrong("", "want an object such as %s, got %s", sample, kind)
	}
	r := &kgo.Record{Partition: AnyPartition, Offset: -1}
	key, value := content{name: fieldKey}, content{name: fieldValue}
	given := map[string]bool{}
	err := object(text, func(name string, raw json.RawMessage) (err error) {
		if given[name] {
			return wrong(name, "stands in the line twice: leave one out")
		}
		given[name] = true
		switch name {
		case "topic":
			r.Topic, err = stringOf(name, raw)
		case "partition":
			r.Partition, err = partitionOf(name, raw)
		case "offset":
			r.Offset, err = integerOf(name, raw, math.MaxInt64)
		case "timestamp":
			r.Timestamp, err = timeOf(name, raw)
		case "headers":
			r.Headers, err = headersOf(raw)
		case fieldKey, fieldKey + inBase64:
			err = key.set(name, name, raw)
		case fieldValue, fieldValue + inBase64:
			err = value.set(name, name, raw)
		default:
			err = unknown(name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	r.Key, r.Value = key.bytes, value.bytes
	return r, nil
}

// fields are those of a line.
var fields = []string{ //nolint:gochecknoglobals // constant
	"topic", "partition", "offset", "timestamp", fieldKey, fieldKey + inBase64, fieldValue, fieldValue + inBase64, "headers",
}

func unknown(name string) error {
	for _, f := range fields {
		if strings.EqualFold(f, name) {
			return wrong(strconv.Quote(name), "is written %s", f)
		}
	}
	return wrong(strconv.Quote(name), "unknown field: want %s; an object that is a value stands below value, as in %s",
		strings.Join(fields, ", "), sample)
}

// object calls each for the fields of an object, in order, also for one that comes again.
func object(text []byte, each func(name string, raw json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if _, err := dec.Token(); err != nil {
		return notJSON(text, err)
	}
	for dec.More() {
		from := dec.InputOffset()
		token, err := dec.Token()
		if err != nil {
			return notJSON(text, err)
		}
		name, ok := token.(string)
		if !ok {
			return notJSON(text, errors.New("the name of a field is no text"))
		}
		if !whole(text[from:dec.InputOffset()]) {
			return wrong(strconv.Quote(name), lone)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return notJSON(text, err)
		}
		if err := each(name, raw); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return notJSON(text, err)
	}
	if dec.More() {
		return wrong("", "more follows the object: every record is a line of its own")
	}
	return nil
}

// notJSON says in which column the text ceases to be JSON.
func notJSON(text []byte, err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return wrong("", "is no JSON: it ends too early; a record is one line, such as %s", sample)
	case !json.Valid(text):
		err = json.Unmarshal(text, new(any)) // which tells the column
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		column := utf8.RuneCount(text[:min(int(syntax.Offset), len(text))])
		return wrong("", "is no JSON: column %d: %s; want a line such as %s", column, syntax, sample)
	}
	return wrong("", "is no JSON: %s; want a line such as %s", err, sample)
}
