package admin

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/karafgo/karafgo/router"
)

// Topic is a topic of a program: what the cluster says about it, and what the program does with it.
type Topic struct {
	Name   string `json:"topic"`
	Exists bool   `json:"exists"`
	// Partitions and Replication are 0 when it does not exist. Replication is that of the partition with the fewest replicas.
	Partitions  int `json:"partitions"`
	Replication int `json:"replication"`
	// ConsumedBy and WrittenBy are groups.
	ConsumedBy []string `json:"consumed_by"`
	WrittenBy  []string `json:"written_by"`
	// DeadLettersOf are the topics whose dead letters it has. DeadLetters is true also where only patterns write to it.
	DeadLetters   bool     `json:"dead_letters"`
	DeadLettersOf []string `json:"dead_letters_of"`
	// RetriesOf is the topic whose records wait in it; empty when it is not a retry topic. Delay is for how long.
	RetriesOf string        `json:"retries_of,omitempty"`
	Delay     time.Duration `json:"-"`
	Declared  bool          `json:"declared"`
	// Leaderless are partitions that no broker leads, which can be neither read nor written.
	Leaderless []int32 `json:"leaderless,omitempty"`
}

// Topics returns the topics of a program by name: those that it names, and those in the cluster that its patterns match.
func (c *Cluster) Topics(ctx context.Context, t *router.Table) ([]Topic, error) {
	found, err := c.topics(ctx, t)
	if err != nil {
		return nil, err
	}
	topics := roles(t, slices.Sorted(maps.Keys(found)))
	for i := range topics {
		if d, ok := found[topics[i].Name]; ok {
			topics[i].Exists, topics[i].Partitions, topics[i].Replication = true, len(d.Partitions), fewestReplicas(d)
			for _, p := range d.Partitions.Sorted() {
				if p.Leader < 0 {
					topics[i].Leaderless = append(topics[i].Leaderless, p.Partition)
				}
			}
		}
	}
	return topics, nil
}

// roles says what a program does with its topics: those that it names, and others that there are.
func roles(t *router.Table, others []string) []Topic {
	names := slices.Concat(named(t), others)
	slices.Sort(names)
	names = slices.Compact(names)
	all := make([]Topic, len(names))
	at := map[string]*Topic{}
	for i, name := range names {
		all[i] = Topic{Name: name, ConsumedBy: []string{}, WrittenBy: []string{}, DeadLettersOf: []string{}}
		at[name] = &all[i]
	}
	for _, g := range t.Groups() {
		for i := range all {
			if consumes(g, all[i].Name) {
				all[i].ConsumedBy = append(all[i].ConsumedBy, g.ID)
			}
		}
		for _, r := range g.Routes {
			for _, o := range r.Outputs {
				if by := &at[o.Topic].WrittenBy; !slices.Contains(*by, g.ID) {
					*by = append(*by, g.ID)
				}
			}
			if r.RetryOf != "" {
				at[r.Topic].RetriesOf, at[r.Topic].Delay = r.RetryOf, r.RetryDelay
			}
		}
	}
	for name, sources := range t.FailureTopics() {
		if at[name].RetriesOf == "" {
			at[name].DeadLetters = true
			at[name].DeadLettersOf = append(at[name].DeadLettersOf, slices.Sorted(slices.Values(sources))...)
		}
	}
	for _, d := range t.Declared() {
		at[d.Name].Declared = true
	}
	return all
}

// DeadLetterTopics returns the names of the topics that a program writes dead letters to, sorted.
func DeadLetterTopics(t *router.Table) []string {
	var names []string
	for _, topic := range roles(t, nil) {
		if topic.DeadLetters {
			names = append(names, topic.Name)
		}
	}
	return names
}

func fewestReplicas(d kadm.TopicDetail) int {
	fewest := -1
	for _, p := range d.Partitions {
		if fewest < 0 || len(p.Replicas) < fewest {
			fewest = len(p.Replicas)
		}
	}
	return max(fewest, 0)
}
