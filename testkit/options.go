package testkit

import (
	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
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

// settings are those of a program with this configuration.
func (o *options) settings(j *journal) engine.Settings {
	s := engine.Configure(o.cfg)
	s.Middleware, s.Hooks, s.Listeners = o.middleware, o.hooks, o.listeners
	s.Inline = []callbacks.Listener{j}
	return s
}
