package registry

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/sync/singleflight"

	"github.com/karafgo/karafgo/consumer"
)

// Codec is a consumer.Codec in the wire format of the schema registry.
type Codec struct {
	registry *Registry
	subject  string
	format   format
	from     origin
	always   decoder  // reads whatever schema was written with; nil where the schema says how
	readers  sync.Map // id -> *reader
	writer   atomic.Pointer[writer]
	flight   singleflight.Group
}

// format is what differs between Avro, Protobuf and JSON.
type format interface {
	name() string
	// own is the schema that the codec was made with. use finds the version that a schema it refers to has under a subject.
	own(use func(subject string, s sr.Schema) (int, error)) (sr.Schema, error)
	// encoder writes values, after the header, as s says.
	encoder(id int, s *schema) (encoder, error)
	// decoder reads what was written as s says.
	decoder(s *schema) (decoder, error)
}

type (
	encoder func(v any) ([]byte, error)
	decoder func(data []byte, v any) error
)

type writer struct {
	id     int
	encode encoder
}

// reader is how payloads of one writer's schema are read, or why they cannot be: neither schema will change.
type reader struct {
	decode decoder
	err    error
}

type origin int

const (
	fromLookup origin = iota
	fromRegister
	fromLatest
)

// CodecOption says where the schema that values are written with comes from. By default it is looked up: the subject must have the schema
// that the codec was made with. The last option counts.
type CodecOption func(*Codec)

// Register registers the schema that the codec was made with where the subject does not have it, when the first value is written. The
// registry refuses one that is not compatible; what is to be written fails retryably then.
func Register() CodecOption { return func(c *Codec) { c.from = fromRegister } }

// Latest writes with the subject's latest version, as it is when the first value is written, whatever schema the codec was made with. A
// value that does not fit it fails permanently.
func Latest() CodecOption { return func(c *Codec) { c.from = fromLatest } }

func (r *Registry) codec(subject string, f format, opts []CodecOption) *Codec {
	c := &Codec{registry: r, subject: subject, format: f}
	for _, o := range opts {
		o(c)
	}
	return c
}

// Name implements consumer.Codec: "avro", "protobuf" or "json".
func (c *Codec) Name() string { return c.format.name() }

// ID returns the id of the schema that values are written with. The first call asks the registry, and so does the first Encode: call ID
// where the program starts, to learn there and not at the first record that a schema is not registered. It wraps ErrNotRegistered, or
// consumer.ErrTemporary alone when the registry does not answer.
func (c *Codec) ID() (int, error) {
	w, err := c.writing()
	if err != nil {
		return 0, err
	}
	return w.id, nil
}

// Encode implements consumer.Codec.
func (c *Codec) Encode(v any) ([]byte, error) {
	w, err := c.writing()
	if err != nil {
		return nil, err
	}
	return w.encode(v)
}

// Decode implements consumer.Codec. It wraps ErrWireFormat, ErrUnknownID, or consumer.ErrTemporary when the registry does not answer.
func (c *Codec) Decode(data []byte, v any) error {
	id, payload, err := header.DecodeID(data)
	if err != nil {
		return wireError(data)
	}
	decode := c.always
	if decode == nil {
		r, err := c.reading(id)
		if err != nil {
			return err
		}
		decode, err = r.decode, r.err
		if err != nil {
			return fmt.Errorf("schema %d: %w", id, err)
		}
	}
	if err := decode(payload, v); err != nil {
		return fmt.Errorf("schema %d: %w", id, err)
	}
	return nil
}

// header is stateless.
var header sr.ConfluentHeader //nolint:gochecknoglobals // as above

func wireError(data []byte) error {
	if len(data) < 5 {
		return fmt.Errorf("%w: %d bytes, and its header alone has 5", ErrWireFormat, len(data))
	}
	return fmt.Errorf("%w: the first byte is 0x%02x and not 0", ErrWireFormat, data[0])
}

func (c *Codec) reading(id int) (*reader, error) {
	if r, ok := c.readers.Load(id); ok {
		return r.(*reader), nil //nolint:forcetypeassert // nothing else is stored
	}
	s, err := c.registry.byID(id)
	if err != nil {
		return nil, err
	}
	decode, err := c.format.decoder(s)
	r, _ := c.readers.LoadOrStore(id, &reader{decode, err})
	return r.(*reader), nil //nolint:forcetypeassert // as above
}

func (c *Codec) writing() (*writer, error) {
	if w := c.writer.Load(); w != nil {
		return w, nil
	}
	v, err, _ := c.flight.Do("", func() (any, error) {
		if w := c.writer.Load(); w != nil {
			return w, nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), c.registry.timeout)
		defer cancel()
		id, s, err := c.find(ctx)
		if err != nil {
			return nil, err
		}
		encode, err := c.format.encoder(id, s)
		if err != nil { // the subject's latest version may be another one tomorrow
			return nil, fmt.Errorf("schema %d: %w: %w", id, consumer.ErrTemporary, err)
		}
		w := &writer{id, encode}
		c.writer.Store(w)
		return w, nil
	})
	if err != nil {
		return nil, fmt.Errorf("subject %q: %w", c.subject, err)
	}
	return v.(*writer), nil //nolint:forcetypeassert // the function above returns nothing else
}

// find returns the schema that values are written with, and its id.
func (c *Codec) find(ctx context.Context) (int, *schema, error) {
	if c.from == fromLatest {
		found, err := c.registry.client.SchemaByVersion(ctx, c.subject, latestVersion)
		if err != nil {
			return 0, nil, refused(err)
		}
		s, err := c.registry.complete(ctx, found.Schema)
		return found.ID, s, err
	}
	own, err := c.format.own(func(subject string, s sr.Schema) (int, error) {
		if c.from == fromRegister {
			if _, err := c.register(ctx, subject, s); err != nil {
				return 0, err
			}
		}
		found, err := c.lookup(ctx, subject, s)
		return found.Version, err
	})
	if err != nil {
		return 0, nil, err
	}
	if c.from == fromRegister {
		id, err := c.register(ctx, c.subject, own)
		return id, &schema{Schema: own}, err
	}
	found, err := c.lookup(ctx, c.subject, own)
	return found.ID, &schema{Schema: own}, err
}

// latestVersion is what the sr package writes as "latest".
const latestVersion = -1

func (c *Codec) register(ctx context.Context, subject string, s sr.Schema) (int, error) {
	id, err := c.registry.client.RegisterSchema(ctx, subject, s, -1, -1) // the registry chooses id and version
	return id, refused(err)
}

func (c *Codec) lookup(ctx context.Context, subject string, s sr.Schema) (sr.SubjectSchema, error) {
	found, err := c.registry.client.LookupSchema(ctx, subject, s)
	if err != nil && subject != c.subject {
		return found, fmt.Errorf("subject %q, which it refers to: %w", subject, refused(err))
	}
	return found, refused(err)
}

func refused(err error) error {
	if err == nil {
		return nil
	}
	if notFound(err) {
		return fmt.Errorf("%w: %w", ErrNotRegistered, temporary(err))
	}
	return temporary(err)
}

// checkType fails when a record was written in another format.
func checkType(s *schema, want sr.SchemaType) error {
	if s.Type != want {
		return fmt.Errorf("it is of type %s and not %s", s.Type, want)
	}
	return nil
}
