package registry

import (
	"fmt"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
)

// Avro makes a codec for Avro values that the program knows by that schema, a JSON text that refers to no other subject. Fields of a struct
// are named by its avro tags, as in `avro:"id"`; a record may be a map[string]any, too. How Avro's types meet those of Go stands in
// https://pkg.go.dev/github.com/twmb/avro#Schema.Decode.
//
// It fails when the schema is not valid. Payloads whose schema cannot be resolved to this one fail permanently, and the error names the
// field.
func (r *Registry) Avro(subject, text string, opts ...CodecOption) (*Codec, error) {
	parsed, err := avro.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse avro schema for subject %q: %w", subject, err)
	}
	return r.codec(subject, avroFormat{text, parsed}, opts), nil
}

type avroFormat struct {
	text   string
	parsed *avro.Schema
}

func (avroFormat) name() string { return "avro" }

func (f avroFormat) own(func(string, sr.Schema) (int, error)) (sr.Schema, error) {
	return sr.Schema{Schema: f.text, Type: sr.TypeAvro}, nil
}

func (avroFormat) encoder(id int, s *schema) (encoder, error) {
	written, err := parseAvro(s)
	if err != nil {
		return nil, err
	}
	return func(v any) ([]byte, error) {
		data, err := header.AppendEncode(nil, id, nil)
		if err != nil {
			return nil, err
		}
		return written.AppendEncode(data, v)
	}, nil
}

func (f avroFormat) decoder(s *schema) (decoder, error) {
	written, err := parseAvro(s)
	if err != nil {
		return nil, err
	}
	resolved, err := avro.Resolve(written, f.parsed)
	if err != nil {
		return nil, err
	}
	return func(data []byte, v any) error {
		rest, err := resolved.Decode(data, v)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%d bytes are left over behind the value", len(rest))
		}
		return err
	}, nil
}

func parseAvro(s *schema) (*avro.Schema, error) {
	if err := checkType(s, sr.TypeAvro); err != nil {
		return nil, err
	}
	var names avro.SchemaCache
	for _, ref := range s.refs {
		if _, err := names.Parse(ref); err != nil {
			return nil, fmt.Errorf("parse a schema that it refers to: %w", err)
		}
	}
	return names.Parse(s.Schema.Schema)
}
