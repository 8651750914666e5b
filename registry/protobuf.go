package registry

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/karafgo/karafgo/protobuf"
)

// Protobuf makes a codec for messages of prototype's type, as in (*orderspb.Order)(nil). It takes *M and **M, as protobuf.Codec does, and a
// payload that holds another message of the writer's file fails permanently.
//
// The schema that is looked up or registered is the file that the message was generated from, as a descriptor in base64, which registries
// accept beside the text; files that it imports are found under their paths as subjects, and those of google/protobuf are known to the
// registry. A registry may not see that a file with comments, which a pipeline registered as text, is the same one: use Latest there.
//
// It fails when prototype is nil.
func (r *Registry) Protobuf(subject string, prototype proto.Message, opts ...CodecOption) (*Codec, error) {
	if prototype == nil {
		return nil, fmt.Errorf("protobuf codec for subject %q: no prototype; "+
			"give a typed nil pointer, as in (*orderspb.Order)(nil)", subject)
	}
	return r.codec(subject, protobufFormat{prototype.ProtoReflect().Descriptor()}, opts), nil
}

type protobufFormat struct {
	message protoreflect.MessageDescriptor
}

func (protobufFormat) name() string { return "protobuf" }

func (f protobufFormat) own(use func(string, sr.Schema) (int, error)) (sr.Schema, error) {
	return describe(f.message.ParentFile(), use)
}

// describe is the schema of a file, with references to those that it imports.
func describe(file protoreflect.FileDescriptor, use func(string, sr.Schema) (int, error)) (sr.Schema, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(protodesc.ToFileDescriptorProto(file))
	if err != nil {
		return sr.Schema{}, fmt.Errorf("describe %s: %w", file.Path(), err)
	}
	s := sr.Schema{Schema: base64.StdEncoding.EncodeToString(data), Type: sr.TypeProtobuf}
	for i := range file.Imports().Len() {
		imported := file.Imports().Get(i)
		path := imported.Path()
		if strings.HasPrefix(path, "google/protobuf/") {
			continue
		}
		if imported.IsPlaceholder() {
			return sr.Schema{}, fmt.Errorf("describe %s: the file %s, which it imports, is not linked into the program", file.Path(), path)
		}
		needed, err := describe(imported.FileDescriptor, use)
		if err != nil {
			return sr.Schema{}, err
		}
		version, err := use(path, needed)
		if err != nil {
			return sr.Schema{}, err
		}
		s.References = append(s.References, sr.SchemaReference{Name: path, Subject: path, Version: version})
	}
	return s, nil
}

func (f protobufFormat) encoder(id int, s *schema) (encoder, error) {
	_, index, err := f.find(s)
	if err != nil {
		return nil, err
	}
	prefix, err := header.AppendEncode(nil, id, index)
	if err != nil {
		return nil, err
	}
	return func(v any) ([]byte, error) {
		m, ok := v.(proto.Message)
		if !ok || !m.ProtoReflect().IsValid() {
			_, err := protobuf.Codec.Encode(v) // says what is wrong
			return nil, err
		}
		if err := f.check(m); err != nil {
			return nil, err
		}
		return proto.MarshalOptions{Deterministic: true}.MarshalAppend(slices.Clone(prefix), m)
	}, nil
}

// maxDepth bounds how deep messages are nested in their file: as deep as Protobuf's parsers let messages be nested in each other.
const maxDepth = 100

func (f protobufFormat) decoder(s *schema) (decoder, error) {
	file, want, err := f.find(s)
	if err != nil {
		return nil, err
	}
	return func(data []byte, v any) error {
		index, payload, err := header.DecodeIndex(data, maxDepth)
		if err != nil {
			return fmt.Errorf("%w: the position of the message, behind the id, cannot be read: %w", ErrWireFormat, err)
		}
		if !slices.Equal(index, want) {
			return fmt.Errorf("it holds %s and not %s", nameAt(file, index), f.message.FullName())
		}
		if err := protobuf.Codec.Decode(payload, v); err != nil {
			return err
		}
		m, ok := v.(proto.Message)
		if !ok {
			m, _ = reflect.TypeAssert[proto.Message](reflect.ValueOf(v).Elem()) // the codec has checked that it is one
		}
		return f.check(m)
	}, nil
}

// check fails for messages of a type that the codec was not made for.
func (f protobufFormat) check(m proto.Message) error {
	if got, want := m.ProtoReflect().Descriptor().FullName(), f.message.FullName(); got != want {
		return fmt.Errorf("codec for %s got %s", want, got)
	}
	return nil
}

// find returns the file that s describes, and where the codec's message is in it. Files differ in their order between versions, so
// positions are those of the writer's file.
func (f protobufFormat) find(s *schema) (*descriptorpb.FileDescriptorProto, []int, error) {
	if err := checkType(s, sr.TypeProtobuf); err != nil {
		return nil, nil, err
	}
	file, err := parseProtobuf(s.Schema.Schema)
	if err != nil {
		return nil, nil, err
	}
	var path []string // the names from the file down to the message
	for d := protoreflect.Descriptor(f.message); ; d = d.Parent() {
		if _, ok := d.(protoreflect.FileDescriptor); ok {
			break
		}
		path = append(path, string(d.Name()))
	}
	slices.Reverse(path)
	var index []int
	messages := file.GetMessageType()
	for _, name := range path {
		i := slices.IndexFunc(messages, func(m *descriptorpb.DescriptorProto) bool { return m.GetName() == name })
		if i < 0 || file.GetPackage() != string(f.message.ParentFile().Package()) {
			return nil, nil, fmt.Errorf("it has no message %s", f.message.FullName())
		}
		index, messages = append(index, i), messages[i].GetNestedType()
	}
	return file, index, nil
}

// nameAt names a message by its position, for errors.
func nameAt(file *descriptorpb.FileDescriptorProto, index []int) string {
	name, messages := file.GetPackage(), file.GetMessageType()
	for _, i := range index {
		if i < 0 || i >= len(messages) {
			return fmt.Sprintf("a message at position %v, which its file does not have", index)
		}
		name, messages = strings.TrimPrefix(name+"."+messages[i].GetName(), "."), messages[i].GetNestedType()
	}
	return name
}

// parseProtobuf reads a file as registries have it: as text, or as a descriptor in base64. Imports are not followed.
func parseProtobuf(text string) (*descriptorpb.FileDescriptorProto, error) {
	if data, err := base64.StdEncoding.DecodeString(text); err == nil {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(data, file); err == nil && len(file.GetMessageType()) > 0 {
			return file, nil
		}
	}
	handler := reporter.NewHandler(nil)
	tree, err := parser.Parse("schema.proto", strings.NewReader(text), handler)
	if err != nil {
		return nil, fmt.Errorf("parse protobuf schema: %w", err)
	}
	result, err := parser.ResultFromAST(tree, false, handler)
	if err != nil {
		return nil, fmt.Errorf("parse protobuf schema: %w", err)
	}
	if file := result.FileDescriptorProto(); len(file.GetMessageType()) > 0 {
		return file, nil
	}
	return nil, errors.New("parse protobuf schema: it has no message")
}
