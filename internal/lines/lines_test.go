package lines_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/lines"
)

func TestLines(t *testing.T) { //nolint:paralleltest // a suite
	RegisterFailHandler(Fail)
	RunSpecs(t, "lines")
}

// read reads one line.
func read(text string) (*kgo.Record, error) {
	return lines.NewReader("in.jsonl", strings.NewReader(text)).Read()
}

func good(text string) *kgo.Record {
	GinkgoHelper()
	r, err := read(text)
	Expect(err).NotTo(HaveOccurred())
	return r
}

var _ = Describe("A line", func() {
	at := time.Date(2026, 11, 21, 6, 30, 0, 5e6, time.UTC)

	It("has all of a record", func() {
		r := &kgo.Record{
			Topic: "orders", Partition: 3, Offset: 17, Timestamp: at, Key: []byte("o-1"), Value: []byte(`{"id":1}`),
			Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("a")}, {Key: "trace", Value: []byte("\xff")}, {Key: "none"}, {Key: "\xfe"}},
		}
		text := string(lines.Append(nil, r))
		Expect(text).To(Equal(`{"topic":"orders","partition":3,"offset":17,"timestamp":"2026-11-21T06:30:00.005Z","key":"o-1",` +
			`"value":"{\"id\":1}","headers":[{"key":"trace","value":"a"},{"key":"trace","value_base64":"/w=="},{"key":"none","value":null},` +
			`{"key_base64":"/g==","value":null}]}` + "\n"))
		Expect(good(text)).To(Equal(r))
	})

	It("tells null from empty, and from what is no text", func() {
		for _, content := range [][]byte{nil, {}, []byte("null"), []byte("\xff\x00"), []byte("\uFFFD"), []byte(`"`)} {
			r := &kgo.Record{Topic: "t", Key: content, Value: content, Headers: []kgo.RecordHeader{{Key: "", Value: content}}}
			Expect(good(string(lines.Append(nil, r)))).To(Equal(r))
		}
	})

	It("has nothing that a terminal obeys, and keeps it", func() {
		for _, text := range []string{"\x1b[31m", "\x7f", "\u009b31m", "\u0085", "a\u202eb", "\u2066", "\r\n\t", "\u2028", "<&>"} {
			line := string(lines.Append(nil, &kgo.Record{Value: []byte(text)}))
			for _, c := range strings.TrimSuffix(line, "\n") {
				Expect(c).To(And(BeNumerically(">=", ' '), Not(BeElementOf('\x7f', '\u009b', '\u0085', '\u202e', '\u2066', '\u2028'))), line)
			}
			Expect(good(line).Value).To(BeEquivalentTo(text))
		}
		Expect(string(lines.Append(nil, &kgo.Record{Value: []byte("<é😀>")}))).To(ContainSubstring(`"<é😀>"`), "and no more is escaped")
	})

	It("has times of every kind", func() {
		for _, t := range []time.Time{{}, time.UnixMilli(0).UTC(), time.UnixMilli(-2).UTC(), time.UnixMilli(1 << 53).UTC(), at} {
			Expect(good(string(lines.Append(nil, &kgo.Record{Timestamp: t}))).Timestamp).To(Equal(t))
		}
		Expect(good(`{"timestamp":1795242600005}`).Timestamp).To(Equal(at))
		Expect(good(`{"timestamp":"2026-11-21T07:30:00.005+01:00"}`).Timestamp).To(Equal(at))
		Expect(good(string(lines.Append(nil, &kgo.Record{Timestamp: time.UnixMilli(-1)}))).Timestamp).To(BeZero(), "a record without")
	})

	It("may be short", func() {
		Expect(good(`{}`)).To(Equal(&kgo.Record{Partition: lines.AnyPartition, Offset: -1}))
		all := `{"topic":null,"partition":null,"offset":null,"timestamp":null,"key":null,"key_base64":null,"value":null,"headers":null}`
		Expect(good(all)).To(Equal(good(`{}`)))
		Expect(good(` { "value" : { "id" : 1.0 , "no": [ ] } } `).Value).To(BeEquivalentTo(`{"id":1.0,"no":[]}`), "any JSON is its compact text")
		Expect(good(`{"key":17,"value":true}`)).To(And(HaveField("Key", BeEquivalentTo("17")), HaveField("Value", BeEquivalentTo("true"))))
		Expect(good(`{"value_base64":""}`).Value).To(And(BeEmpty(), Not(BeNil())))
		Expect(good(`{"headers":{"b":"1","a":null,"n":{"x": 1},"b":"2"}}`).Headers).To(Equal([]kgo.RecordHeader{
			{Key: "b", Value: []byte("1")}, {Key: "a"}, {Key: "n", Value: []byte(`{"x":1}`)}, {Key: "b", Value: []byte("2")},
		}))
	})

	DescribeTable("says what is wrong with it, and what to do", func(text, problem string) {
		_, err := read("{}\n\n" + text + "\n{}\n")
		Expect(err).NotTo(HaveOccurred())
		r := lines.NewReader("in.jsonl", strings.NewReader("{}\n\n"+text+"\n{}\n"))
		_, err = r.Read()
		Expect(err).NotTo(HaveOccurred())
		_, err = r.Read()
		wrong := &lines.Error{}
		Expect(errors.As(err, &wrong)).To(BeTrue())
		Expect(err.Error()).To(HavePrefix("in.jsonl:3: " + problem))
		_, err = r.Read()
		Expect(err).NotTo(HaveOccurred(), "the next one can be read")
		_, err = r.Read()
		Expect(err).To(Equal(io.EOF))
	},
		Entry(nil, `hello`, `is no JSON: column 1: invalid character 'h' looking for beginning of value; want a line such as {"key":"o-1","value":`),
		Entry(nil, `{"key":"é",}`, "is no JSON: column 12: "),
		Entry(nil, `{"key":"a"`, "is no JSON: it ends too early; a record is one line, such as {"),
		Entry(nil, `{"key":"a"} {"key":"b"}`, "more follows the object"),
		Entry(nil, `42`, `want an object such as {"key":"o-1","value":{"id":1}}, got a number`),
		Entry(nil, `["a"]`, `want an object such as {"key":"o-1","value":{"id":1}}, got a list`),
		Entry(nil, `{"id":"o-1"}`, `"id": unknown field: want topic, partition, offset, timestamp, key, key_base64, value, value_base64, headers; an obj`),
		Entry(nil, `{"Value":"o-1"}`, `"Value": is written value`),
		Entry(nil, `{"value":1,"value":2}`, "value: stands in the line twice"),
		Entry(nil, `{"value":"a","value_base64":"YQ=="}`, "value_base64: value and value_base64 are both given"),
		Entry(nil, `{"key_base64":"YQ","value":1}`, "key_base64: want base64 of the standard alphabet, with padding"),
		Entry(nil, `{"key_base64":7}`, "key_base64: want a text, got a number"),
		Entry(nil, `{"topic":7}`, "topic: want a text, got a number"),
		Entry(nil, `{"partition":-1}`, "partition: want a whole number from 0 to 2147483647, got -1"),
		Entry(nil, `{"partition":"1"}`, `partition: want a whole number from 0 to 2147483647, got "1"`),
		Entry(nil, `{"offset":1.5}`, "offset: want a whole number"),
		Entry(nil, `{"timestamp":"yesterday"}`, "timestamp: want a time such as 2026-11-21T06:30:00Z, or milliseconds since 1970"),
		Entry(nil, `{"value":"\ud800"}`, `value: has half of a surrogate pair (such as \ud800)`),
		Entry(nil, `{"value":"\udc00\ud800"}`, `value: has half of a surrogate pair`),
		Entry(nil, `{"headers":{"\ud800":"a"}}`, `"�": has half of a surrogate pair`),
		Entry(nil, "{\"value\":\"\xff\"}", "is not UTF-8: other bytes stand in key_base64 and value_base64"),
		Entry(nil, `{"headers":"trace"}`, `headers: want a list such as [{"key":"trace","value":"abc"}]`),
		Entry(nil, `{"headers":["trace"]}`, `headers[1]: want {"key":"trace","value":"abc"}, got a text`),
		Entry(nil, `{"headers":[{"key":"a"},{"value":"b"}]}`, `headers[2].key: is missing`),
		Entry(nil, `{"headers":[{"name":"a"}]}`, `headers[1].name: unknown field: want key, key_base64, value, value_base64`),
		Entry(nil, `{"headers":[{"key":"a","key":"b"}]}`, `headers[1].key: stands in the header twice`),
		Entry(nil, `{"headers":{"a":"\udfff"}}`, `headers.a: has half of a surrogate pair`),
	)

	It("reads pairs of surrogates, and backslashes before a u", func() {
		Expect(good(`{"value":"\ud83d\ude00 \\ud800 \u0041"}`).Value).To(BeEquivalentTo(`😀 \ud800 A`))
	})
})

var _ = Describe("A file", func() {
	It("may begin with a byte order mark, have Windows' ends of lines, long lines, and no end of the last", func() {
		long := strings.Repeat("x", 200<<10)
		r := lines.NewReader("in.jsonl", strings.NewReader("\xef\xbb\xbf{\"value\":1}\r\n \t\r\n{\"value\":\""+long+"\"}\n{\"value\":3}"))
		for i, want := range []string{"1", long, "3"} {
			rec, err := r.Read()
			Expect(err).NotTo(HaveOccurred())
			Expect(rec.Value).To(BeEquivalentTo(want))
			Expect(r.Line()).To(Equal([]int{1, 3, 4}[i]))
		}
		_, err := r.Read()
		Expect(err).To(Equal(io.EOF))
	})

	It("may be read line by line, as they are", func() {
		r := lines.NewReader("in", strings.NewReader("\xef\xbb\xbfa\r\n\n \nlast"))
		for _, want := range []string{"\xef\xbb\xbfa\r", "", " ", "last"} {
			Expect(r.Raw()).To(BeEquivalentTo(want))
		}
		_, err := r.Raw()
		Expect(err).To(Equal(io.EOF))
	})

	It("that cannot be read is no end", func() {
		_, err := lines.NewReader("in.jsonl", iotest.ErrReader(errors.New("no disk"))).Read()
		Expect(err).To(MatchError("read in.jsonl: no disk"))
	})
})
