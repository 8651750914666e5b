package lines_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/lines"
)

// FuzzRoundTrip writes a record of any bytes, which is read as it was, and has no control characters on its way.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("k"), []byte(`{"id":1}`), "trace", []byte("\xff\x1b"), uint8(0), int64(1795242600005))
	f.Add([]byte("\u009b"), []byte("\xed\xa0\x80"), "", []byte{}, uint8(7), int64(-1))
	f.Fuzz(func(t *testing.T, key, value []byte, name string, header []byte, null uint8, ms int64) {
		content := func(b []byte, bit uint8) []byte { // the corpus cannot tell nil from empty
			if null&bit != 0 {
				return nil
			}
			return append([]byte{}, b...)
		}
		const aMillennium = 1 << 55 // beyond, a time has no milliseconds
		r := &kgo.Record{
			Topic: "t", Partition: int32(null), Offset: max(ms, 0), Key: content(key, 1), Value: content(value, 2),
			Headers:   []kgo.RecordHeader{{Key: name, Value: content(header, 4)}, {Key: name, Value: content(key, 8)}},
			Timestamp: time.UnixMilli(ms % aMillennium).UTC(),
		}
		line := lines.Append(nil, r)
		if r.Timestamp.UnixMilli() == -1 || r.Timestamp.IsZero() {
			r.Timestamp = time.Time{}
		}
		if bytes.ContainsFunc(bytes.TrimSuffix(line, []byte("\n")), unicode.IsControl) {
			t.Fatalf("%q has control characters", line)
		}
		back, err := lines.NewReader("fuzz", bytes.NewReader(line)).Read()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !reflect.DeepEqual(r, back) {
			t.Fatalf("%s\nwrote %+v\nread  %+v", line, r, back)
		}
	})
}

// FuzzRead reads anything: a record that is written the same again, or an error that says where.
func FuzzRead(f *testing.F) {
	for _, line := range []string{
		`{"key":"a","value":{"id": 1},"headers":{"a":1}}`, `{"headers":[{"key":"a","value_base64":"/w=="}]}`, `{"value":"\ud83d\ude00"}`,
		`{"value":"\ud800"}`, "{\"value\":\"\xff\"}", `{"timestamp":17,"partition":3}`, "{", "\xef\xbb\xbf{}\r\n",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		in := lines.NewReader("fuzz", bytes.NewReader(text))
		for {
			r, err := in.Read()
			if err != nil {
				if wrong := (*lines.Error)(nil); errors.As(err, &wrong) {
					if wrong.Line != in.Line() || wrong.Problem == "" {
						t.Fatalf("%+v", wrong)
					}
					continue
				}
				return
			}
			once := lines.Append(nil, &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers})
			back, err := lines.NewReader("fuzz", bytes.NewReader(once)).Read()
			if err != nil {
				t.Fatalf("%s: %v", once, err)
			}
			if twice := lines.Append(nil, &kgo.Record{Topic: r.Topic, Key: back.Key, Value: back.Value, Headers: back.Headers}); !bytes.Equal(once, twice) {
				t.Fatalf("%s\n%s", once, twice)
			}
		}
	})
}
