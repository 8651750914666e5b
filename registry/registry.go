package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/sync/singleflight"

	"github.com/karafgo/karafgo/consumer"
)

// Errors of codecs, for router.ErrorIs. Compare with errors.Is.
var (
	// ErrWireFormat: the bytes do not begin as the schema registry's wire format does. Whoever wrote them used no registry: read them with
	// another codec.
	ErrWireFormat = errors.New("not in the schema registry's wire format")
	// ErrUnknownID: the registry answers that it has no schema with the id that the record names. It was written with another registry, or
	// the schema was deleted for good.
	ErrUnknownID = errors.New("the registry has no schema with this id")
	// ErrNotRegistered: the subject does not have the schema that a value is to be written with. Register it there, or make the codec with
	// Register or Latest. The failure is temporary: it is about the registry, not about the record.
	ErrNotRegistered = errors.New("the subject does not have this schema: " +
		"register it, or make the codec with registry.Register or registry.Latest")
)

// defaultTimeout bounds what a codec asks, because a codec has no context.
const defaultTimeout = 10 * time.Second

// maxText is how much of an answer that is no error of a registry is quoted, in bytes.
const maxText = 200

// Registry makes codecs that share a client and the schemas that were read. It is safe for concurrent use.
type Registry struct {
	client  *sr.Client
	timeout time.Duration
	schemas sync.Map // id -> *schema, for ever: an id never changes its meaning
	flight  singleflight.Group
}

// Option is an option of New.
type Option func(*Registry)

// Timeout bounds each lookup, over all URLs of the client and with the schemas that a schema refers to. The handler that needs it waits
// as long at most. Defaults to 10 s. The client gives up earlier, after 5 s per URL, unless it was given another one with sr.HTTPClient.
func Timeout(d time.Duration) Option { return func(r *Registry) { r.timeout = d } }

// New returns a registry behind client, which says where it is, with which TLS and credentials, and which parameters each request has
// (sr.DefaultParams). Errors quote its URLs, so credentials belong into sr.BasicAuth or sr.BearerToken.
func New(client *sr.Client, opts ...Option) *Registry {
	r := &Registry{client: client, timeout: defaultTimeout}
	for _, o := range opts {
		o(r)
	}
	return r
}

// ValueSubject is the subject of a topic's values by Confluent's default strategy, TopicNameStrategy: "<topic>-value".
func ValueSubject(topic string) string { return topic + "-value" }

// KeySubject is the subject of a topic's keys by the same strategy: "<topic>-key".
func KeySubject(topic string) string { return topic + "-key" }

// schema is a schema with those that it refers to, each after the ones it needs.
type schema struct {
	sr.Schema

	refs []string
}

// byID returns the schema with that id. Who asks for the same id meanwhile shares the request and its outcome; only success is kept.
func (r *Registry) byID(id int) (*schema, error) {
	if s, ok := r.schemas.Load(id); ok {
		return s.(*schema), nil //nolint:forcetypeassert // nothing else is stored
	}
	v, err, _ := r.flight.Do(strconv.Itoa(id), func() (any, error) {
		if s, ok := r.schemas.Load(id); ok { // a request ended between the look above and here
			return s, nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
		defer cancel()
		found, err := r.client.SchemaByID(ctx, id)
		if notFound(err) {
			return nil, ErrUnknownID
		}
		if err != nil {
			return nil, temporary(err)
		}
		s, err := r.complete(ctx, found)
		if err != nil {
			return nil, err
		}
		r.schemas.Store(id, s)
		return s, nil
	})
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	return v.(*schema), nil //nolint:forcetypeassert // the function above returns nothing else
}

// complete reads what Avro schemas refer to. Protobuf needs no more than the file itself, to know where its messages are.
func (r *Registry) complete(ctx context.Context, s sr.Schema) (*schema, error) {
	full := &schema{Schema: s}
	if s.Type != sr.TypeAvro {
		return full, nil
	}
	for _, ref := range s.References {
		found, err := r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil { // also when it is not found: a registry has what its schemas refer to
			return nil, fmt.Errorf("version %d of subject %q, which it refers to: %w", ref.Version, ref.Subject, temporary(err))
		}
		needed, err := r.complete(ctx, found.Schema)
		if err != nil {
			return nil, err
		}
		full.refs = append(append(full.refs, needed.refs...), found.Schema.Schema)
	}
	return full, nil
}

// notFound reports an answer of a registry that there is no such thing. A 404 without its code comes from something else at that URL.
func notFound(err error) bool {
	var answer *sr.ResponseError
	return errors.As(err, &answer) && sr.IsNotFoundError(answer.ErrorCode)
}

// temporary marks everything that is about the registry, its address or our rights there: no record must be given up for it.
func temporary(err error) error {
	var answer *sr.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: %w", consumer.ErrTemporary, err)
	}
	text := answer.Error()
	if len(text) > maxText {
		text = text[:maxText] + "..."
	}
	return fmt.Errorf("%w: %s %s: HTTP %d, code %d: %s",
		consumer.ErrTemporary, answer.Method, answer.URL, answer.StatusCode, answer.ErrorCode, text)
}
