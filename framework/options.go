package framework

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// part is something an option contributes. fx does not keep the order of a value group, and the order of routes and middleware
// matters, so parts are numbered as they are made.
type part[T any] struct {
	n int64
	v T
}

var made atomic.Int64 //nolint:gochecknoglobals // numbers options in the order in which they are written

func number[T any](v T) part[T] { return part[T]{made.Add(1), v} }

func inOrder[T any](parts []part[T]) []T {
	slices.SortFunc(parts, func(a, b part[T]) int { return cmp.Compare(a.n, b.n) })
	values := make([]T, len(parts))
	for i, p := range parts {
		values[i] = p.v
	}
	return values
}

const (
	routesGroup     = `group:"karafgo.routes"`
	middlewareGroup = `group:"karafgo.middleware"`
	listenersGroup  = `group:"karafgo.listeners"`
	hooksGroup      = `group:"karafgo.hooks"`
	saslGroup       = `group:"karafgo.sasl"`
	balancersGroup  = `group:"karafgo.balancers"`
	partitionGroup  = `group:"karafgo.partitioner"`
)

func supply[T any](v T, group string) fx.Option {
	p := number(v)
	return fx.Provide(fx.Annotate(func() part[T] { return p }, fx.ResultTags(group)))
}

// Routes adds routes. Each argument is a router.Drawer, or a function that returns one (and perhaps an error) and whose parameters are
// injected:
//
//	func Routes(p *Pricer, x *Indexer) router.Drawer
//
// Drawers draw in the order given.
func Routes(constructors ...any) fx.Option {
	options := make([]fx.Option, 0, len(constructors))
	for i, c := range constructors {
		switch c := c.(type) {
		case router.Drawer:
			options = append(options, supply(c, routesGroup))
			continue
		case func(*router.Router):
			options = append(options, supply(router.Drawer(c), routesGroup))
			continue
		}
		fn, err := numbered(c)
		if err != nil {
			options = append(options, fx.Error(fmt.Errorf("framework.Routes: argument %d: %w", i+1, err)))
			continue
		}
		options = append(options, fx.Provide(fx.Annotate(fn, fx.ResultTags(routesGroup))))
	}
	return fx.Options(options...)
}

// numbered makes of a constructor of a Drawer one of a numbered part.
func numbered(constructor any) (any, error) {
	v := reflect.ValueOf(constructor)
	drawer, failure := reflect.TypeFor[router.Drawer](), reflect.TypeFor[error]()
	if v.Kind() != reflect.Func || v.IsNil() {
		return nil, fmt.Errorf("want a router.Drawer or a function that returns one, got %T", constructor)
	}
	t := v.Type()
	ok := !t.IsVariadic() && t.NumOut() >= 1 && t.Out(0).ConvertibleTo(drawer) &&
		(t.NumOut() == 1 || t.NumOut() == 2 && t.Out(1) == failure)
	if !ok {
		return nil, fmt.Errorf("want a function that returns a router.Drawer, got %T", constructor)
	}
	n := made.Add(1)
	in := make([]reflect.Type, t.NumIn())
	for i := range in {
		in[i] = t.In(i)
	}
	out := []reflect.Type{reflect.TypeFor[part[router.Drawer]]()}
	if t.NumOut() == 2 { //nolint:mnd // a Drawer and an error
		out = append(out, failure)
	}
	return reflect.MakeFunc(reflect.FuncOf(in, out, false), func(args []reflect.Value) []reflect.Value {
		results := v.Call(args)
		d, _ := reflect.TypeAssert[router.Drawer](results[0].Convert(drawer))
		results[0] = reflect.ValueOf(part[router.Drawer]{n, d})
		return results
	}).Interface(), nil
}

// Use wraps every route of the process, outside all other middleware, in the order given.
func Use(mw ...consumer.Middleware) fx.Option { return supply(mw, middlewareGroup) }

// Callbacks adds listeners to events.
func Callbacks(listeners ...callbacks.Listener) fx.Option { return supply(listeners, listenersGroup) }

// Hooks adds hooks, which run in line with the life of consumer groups.
func Hooks(hooks ...callbacks.Hooks) fx.Option { return supply(hooks, hooksGroup) }

// SASL authenticates by a mechanism that the configuration does not have, or that gets its token from Go: oauth.Oauth(fn),
// aws.ManagedStreamingIAM(fn) and others of franz-go's pkg/sasl. kafka.sasl.mechanism must be none then.
func SASL(m sasl.Mechanism) fx.Option { return supply(m, saslGroup) }

// Balancers distributes partitions by strategies of the program, in order of preference, instead of group.balancers; all groups of the
// process use them. With group.protocol consumer the broker
// distributes, and they are refused.
func Balancers(b ...kgo.GroupBalancer) fx.Option { return supply(b, balancersGroup) }

// Partitioner sends what is produced (outputs, retries without their partition's number, and what the program sends) to partitions by a
// strategy of the program, instead of producer.partitioner. A record that names its partition goes there all the same.
func Partitioner(p kgo.Partitioner) fx.Option { return supply(p, partitionGroup) }

// parts is what options contributed.
type parts struct {
	fx.In

	Routes     []part[router.Drawer]         `group:"karafgo.routes"`
	Middleware []part[[]consumer.Middleware] `group:"karafgo.middleware"`
	Listeners  []part[[]callbacks.Listener]  `group:"karafgo.listeners"`
	Hooks      []part[[]callbacks.Hooks]     `group:"karafgo.hooks"`
	SASL       []part[sasl.Mechanism]        `group:"karafgo.sasl"`
	Balancers  []part[[]kgo.GroupBalancer]   `group:"karafgo.balancers"`

	Partitioners []part[kgo.Partitioner] `group:"karafgo.partitioner"`
}
