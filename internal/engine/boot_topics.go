package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
)

// bootTopics returns the topics that are there, after it has done with those that are missing what kafka.missing_topics says.
func (e *Engine) bootTopics(ctx context.Context) (map[string]kafka.Topic, error) {
	describe := func() (map[string]kafka.Topic, error) {
		names := e.asked()
		if names != nil {
			names = append(names, e.written()...)
		}
		found, err := e.producer.Topics(ctx, names...)
		if err != nil {
			return nil, fmt.Errorf("describe topics: %w", err)
		}
		for _, name := range names { // of what only a pattern matches, it shows when it is consumed
			if err := found[name].Err; err != nil {
				return nil, fmt.Errorf("describe topic %q: %w", name, err)
			}
		}
		return found, nil
	}
	found, err := describe()
	if err != nil {
		return nil, err
	}
	missing := e.missing(found)
	switch {
	case len(missing) == 0:
		return found, nil
	case e.settings.MissingTopics == MissingCreate:
		if err := e.createTopics(ctx, missing, found); err != nil {
			return nil, err
		}
		return describe()
	case e.settings.MissingTopics != MissingWarn:
		return nil, fmt.Errorf("topics do not exist: %s: create them, set kafka.missing_topics to \"create\" to have them made "+
			"as declared, or to \"warn\" to wait for them", strings.Join(missing, ", "))
	}
	for _, g := range e.table.Groups() {
		for _, r := range g.Routes {
			if slices.Contains(missing, r.Topic) {
				e.emit(callbacks.TopicMissing{Group: g.ID, Topic: r.Topic})
			}
		}
	}
	return found, nil
}

// missing are the topics drawn by name, to be consumed or written to, that the cluster does not have.
func (e *Engine) missing(have map[string]kafka.Topic) []string {
	var missing []string
	for _, name := range slices.Concat(e.table.Topics(), e.written()) {
		if _, ok := have[name]; !ok && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

// createTopics makes topics as the program wants them.
func (e *Engine) createTopics(ctx context.Context, names []string, found map[string]kafka.Topic) error {
	specs := make([]kafka.TopicSpec, len(names))
	for i, name := range names {
		want := e.table.Wanted(name, func(topic string) int { return len(found[topic].Partitions) })
		specs[i] = kafka.TopicSpec{Name: name, Partitions: want.Partitions, Replication: want.Replication, Config: want.Config}
	}
	if err := e.producer.CreateTopics(ctx, specs); err != nil {
		return fmt.Errorf("create missing topics: %w", err)
	}
	return nil
}
