package registry

import (
	"encoding/json"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/karafgo/karafgo/consumer"
)

// JSON makes a codec for JSON values with a JSON Schema, a text that refers to no other subject. Values are written and read as
// consumer.JSONCodec does, behind the schema's id. The schema is not applied to them, and reading does not ask for it.
//
// It fails when the schema is no JSON.
func (r *Registry) JSON(subject, text string, opts ...CodecOption) (*Codec, error) {
	if !json.Valid([]byte(text)) {
		return nil, fmt.Errorf("parse json schema for subject %q: not valid JSON", subject)
	}
	c := r.codec(subject, jsonFormat(text), opts)
	c.always = consumer.JSONCodec.Decode
	return c, nil
}

type jsonFormat string

func (jsonFormat) name() string { return "json" }

func (f jsonFormat) own(func(string, sr.Schema) (int, error)) (sr.Schema, error) {
	return sr.Schema{Schema: string(f), Type: sr.TypeJSON}, nil
}

func (jsonFormat) encoder(id int, s *schema) (encoder, error) {
	if err := checkType(s, sr.TypeJSON); err != nil {
		return nil, err
	}
	return func(v any) ([]byte, error) {
		value, err := consumer.JSONCodec.Encode(v)
		if err != nil {
			return nil, err
		}
		data, err := header.AppendEncode(nil, id, nil)
		return append(data, value...), err
	}, nil
}

func (jsonFormat) decoder(*schema) (decoder, error) { return consumer.JSONCodec.Decode, nil }
