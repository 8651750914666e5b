package consumer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Codec turns payloads into bytes and back. Codecs are safe for concurrent use. Decode must not keep data: it belongs to the
// record.
//
// An error is permanent, because neither the bytes nor the value will change, unless it wraps [ErrTemporary]. A codec has no context, so
// one that asks a service bounds the time that it takes.
type Codec interface {
	// Name is used in errors and logs: "json".
	Name() string
	// Encode returns the bytes of v.
	Encode(v any) ([]byte, error)
	// Decode fills v, a pointer, from data.
	Decode(data []byte, v any) error
}

// ErrTemporary is wrapped by the errors of a codec that says nothing about the payload: the service that it needs does not answer, and
// the same bytes or the same value may pass later. Such a failure is no [DecodeError], is not permanent, and is retried as the route's
// OnFailure draws.
var ErrTemporary = errors.New("temporary failure of the codec")

// The codecs at hand.
var (
	// JSONCodec is encoding/json.
	JSONCodec Codec = jsonCodec{} //nolint:gochecknoglobals // stateless
	// StringCodec takes string and *string.
	StringCodec Codec = stringCodec{} //nolint:gochecknoglobals // stateless
	// BytesCodec takes []byte and *[]byte. Decoded bytes are the record's own: clone what is kept.
	BytesCodec Codec = bytesCodec{} //nolint:gochecknoglobals // stateless
)

type jsonCodec struct{}

func (jsonCodec) Name() string                    { return "json" }
func (jsonCodec) Encode(v any) ([]byte, error)    { return json.Marshal(v) }         //nolint:wrapcheck // the caller names topic and codec
func (jsonCodec) Decode(data []byte, v any) error { return json.Unmarshal(data, v) } //nolint:wrapcheck // as above

type stringCodec struct{}

func (stringCodec) Name() string { return "string" }

func (stringCodec) Encode(v any) ([]byte, error) {
	s, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("string codec wants a string, got %T", v)
	}
	return []byte(s), nil
}

func (stringCodec) Decode(data []byte, v any) error {
	s, ok := v.(*string)
	if !ok {
		return fmt.Errorf("string codec wants a *string, got %T", v)
	}
	*s = string(data)
	return nil
}

type bytesCodec struct{}

func (bytesCodec) Name() string { return "bytes" }

func (bytesCodec) Encode(v any) ([]byte, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("bytes codec wants a []byte, got %T", v)
	}
	return b, nil
}

func (bytesCodec) Decode(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("bytes codec wants a *[]byte, got %T", v)
	}
	*b = data
	return nil
}
