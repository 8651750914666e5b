// Package protobuf is a consumer.Codec for Protobuf messages without a schema registry.
//
//	var OrdersPriced = responder.NewTopic[*orderspb.Priced]("orders.priced", protobuf.Codec)
//
//	g.Topic("orders.created").Each(consumer.Decoded(protobuf.Codec, func(ctx context.Context, m *consumer.Typed[*orderspb.Order]) error {
//		return store(ctx, m.Payload)
//	}))
//
// Payloads are pointers to generated messages; a tombstone is a nil pointer. The bytes do not say which message they hold, so a topic
// holds messages of one type. With a schema registry, package registry takes the place of this one.
package protobuf

import (
	"errors"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"

	"github.com/karafgo/karafgo/consumer"
)

// Codec is the Protobuf wire format. It takes *M and **M, where *M is a generated message. Equal messages have equal bytes within one build
// of a program. Protobuf promises no more (https://protobuf.dev/programming-guides/serialization-not-canonical/), so take care with
// messages as keys.
var Codec consumer.Codec = codec{} //nolint:gochecknoglobals // stateless

type codec struct{}

func (codec) Name() string { return "protobuf" }

func (codec) Encode(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("protobuf codec wants a proto.Message, got %T", v)
	}
	if !m.ProtoReflect().IsValid() {
		// Its encoding would be nil, which is a tombstone.
		return nil, errors.New("protobuf codec wants a message, got a nil pointer; a record without a value is written by Tombstone")
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

func (codec) Decode(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if ok {
		return proto.Unmarshal(data, m)
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Pointer {
		return fmt.Errorf("protobuf codec wants a pointer to a proto.Message, got %T", v)
	}
	fresh := reflect.New(target.Type().Elem().Elem())
	if m, ok = reflect.TypeAssert[proto.Message](fresh); !ok {
		return fmt.Errorf("protobuf codec wants a pointer to a proto.Message, got %T", v)
	}
	if err := proto.Unmarshal(data, m); err != nil {
		return err
	}
	target.Elem().Set(fresh)
	return nil
}
