package testkit

import (
	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/router"
)

// Option changes a [Kit] or a [Broker].
type Option func(*options)

type options struct {
	cfg        config.Config
	partitions map[string]int
	middleware []consumer.Middleware
	hooks      []callbacks.Hooks
	listeners  []callbacks.Listener
}

// Partitions gives a topic n partitions. Defaults to 1.
func Partitions(topic string, n int) Option {
	return func(o *options) { o.partitions[topic] = n }
}

// Config replaces the configuration: a framework.Config, such as framework.LoadConfig returns. The way to the cluster in it is not used.
// Defaults to framework.DefaultConfig.
func Config(cfg config.Config) Option { return func(o *options) { o.cfg = cfg } }

// Use wraps every route, as framework.Use does.
func Use(mw ...consumer.Middleware) Option {
	return func(o *options) { o.middleware = append(o.middleware, mw...) }
}

// Callbacks adds listeners, as framework.Callbacks does.
func Callbacks(l ...callbacks.Listener) Option {
	return func(o *options) { o.listeners = append(o.listeners, l...) }
}

// Hooks adds hooks, as framework.Hooks does.
func Hooks(h ...callbacks.Hooks) Option { return func(o *options) { o.hooks = append(o.hooks, h...) } }

func gather(cfg config.Config, opts []Option) options {
	o := options{cfg: cfg, partitions: map[string]int{}}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// topics are all that a table names, with their partitions. Topics for failed records have as many as those their records come from.
func (o *options) topics(table *router.Table) map[string]int {
	all := map[string]int{}
	add := func(name string, n int) { all[name] = max(all[name], n, 1) }
	for _, g := range table.Groups() {
		for _, r := range g.Routes {
			if r.Pattern == nil {
				add(r.Topic, 0)
			}
			for _, out := range r.Outputs {
				add(out.Topic, 0)
			}
		}
	}
	for topic, n := range o.partitions {
		all[topic] = max(n, 1)
	}
	for topic, sources := range table.FailureTopics() {
		for _, source := range sources {
			if o.partitions[topic] == 0 {
				add(topic, all[source])
			}
		}
	}
	return all
}

// settings are those of a program with this configuration.
func (o *options) settings(j *journal) engine.Settings {
	s := engine.Configure(o.cfg)
	s.Middleware, s.Hooks, s.Listeners = o.middleware, o.hooks, o.listeners
	s.Inline = []callbacks.Listener{j}
	return s
}
