package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/router"
)

// Cluster looks at the topics and groups of a program in a cluster, and makes its topics as the program wants them. Its methods are safe
// for concurrent use.
type Cluster struct {
	opts  []kgo.Opt
	cl    *kgo.Client
	admin *kadm.Client
}

// Open makes a client with these options, which say where the cluster is. Nothing is connected yet.
func Open(opts ...kgo.Opt) (*Cluster, error) {
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("configure client: %w", err)
	}
	return &Cluster{opts: opts, cl: cl, admin: kadm.NewClient(cl)}, nil
}

// Close ends the connections.
func (c *Cluster) Close() { c.cl.Close() }

// topics describes the topics of a program that exist: those that it names, and those that its patterns match.
func (c *Cluster) topics(ctx context.Context, t *router.Table) (kadm.TopicDetails, error) {
	names, patterns := named(t), false
	for _, g := range t.Groups() {
		for _, r := range g.Routes {
			patterns = patterns || r.Pattern != nil
		}
	}
	ask := names
	if patterns {
		ask = nil // all of them
	}
	if len(ask) == 0 && !patterns {
		return kadm.TopicDetails{}, nil
	}
	listed, err := c.admin.ListTopics(ctx, ask...)
	if errors.Is(err, kerr.TopicAuthorizationFailed) {
		return nil, cmp.Or(c.denied(ctx, names), fmt.Errorf("describe topics: %w", err))
	}
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	found := kadm.TopicDetails{}
	var errs []error
	for name, d := range listed {
		if !slices.Contains(names, name) && !matched(t, name) {
			continue
		}
		switch {
		case errors.Is(d.Err, kerr.UnknownTopicOrPartition):
		case d.Err != nil:
			errs = append(errs, fmt.Errorf("describe topic %q: %w", name, d.Err))
		default:
			found[name] = d
		}
	}
	return found, errors.Join(errs...)
}

// denied says which topics this client may not see: asked for all, the answer does not name them.
func (c *Cluster) denied(ctx context.Context, names []string) error {
	var errs []error
	for _, name := range names {
		if _, err := c.admin.ListTopics(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("topic %q: add an ACL for the operation DESCRIBE on it: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// named are the topics that a program names: declared, consumed and written to.
func named(t *router.Table) []string {
	names := slices.Concat(t.Topics(), t.Outputs())
	for _, d := range t.Declared() {
		names = append(names, d.Name)
	}
	for name := range t.FailureTopics() {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func matched(t *router.Table, name string) bool {
	for _, g := range t.Groups() {
		for _, r := range g.Routes {
			if r.Pattern != nil && r.Matches(name) {
				return true
			}
		}
	}
	return false
}

// consumes reports whether a group consumes a topic, one that its routes name or match.
func consumes(g router.GroupSpec, topic string) bool {
	return slices.ContainsFunc(g.Routes, func(r router.RouteSpec) bool { return r.Matches(topic) })
}
