package router

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// TopicSpec is a topic as it is declared: what the cluster should have.
type TopicSpec struct {
	Name string
	// Partitions and Replication are 0 for the cluster's own defaults.
	Partitions  int
	Replication int
	// Config are topic configurations by name, such as retention.ms.
	Config map[string]string
	// File and Line are where Declare was called.
	File string
	Line int
}

// TopicOption says something about a declared topic.
type TopicOption func(*TopicSpec)

// Partitions is how many partitions the topic has. Defaults to the cluster's num.partitions.
func Partitions(n int) TopicOption { return func(t *TopicSpec) { t.Partitions = n } }

// Replication is how many replicas each partition has. Defaults to the cluster's default.replication.factor.
func Replication(n int) TopicOption { return func(t *TopicSpec) { t.Replication = n } }

// TopicConfig sets a configuration of the topic, such as "cleanup.policy" to "compact".
func TopicConfig(name, value string) TopicOption {
	return func(t *TopicSpec) { t.Config[name] = value }
}

// Declare says how a topic should be, one that is consumed or written to. With kafka.missing_topics create it is made so at boot when it
// does not exist. A topic that exists is changed by the command `topics apply`, and not at boot.
func (r *Router) Declare(topic string, opts ...TopicOption) {
	at := caller()
	spec := TopicSpec{Name: topic, Config: map[string]string{}, File: at.file, Line: at.line}
	for _, opt := range opts {
		opt(&spec)
	}
	fail := func(format string, args ...any) {
		r.d.errs = append(r.d.errs, &Error{
			File: at.file, Line: at.line, Place: fmt.Sprintf("declared topic %q", topic), Problem: fmt.Sprintf(format, args...),
		})
	}
	if problem := topicProblem(topic); problem != "" {
		fail("%s", problem)
	}
	if spec.Partitions < 0 {
		fail("Partitions(%d): want at least 1; leave it out for the cluster's default", spec.Partitions)
	}
	if spec.Replication < 0 {
		fail("Replication(%d): want at least 1; leave it out for the cluster's default", spec.Replication)
	}
	for _, earlier := range r.d.declared {
		if earlier.Name == topic {
			fail("topic is declared twice, first at %s:%d: declare it once", earlier.File, earlier.Line)
		}
	}
	r.d.declared = append(r.d.declared, spec)
}

// Declared returns the declared topics in the order drawn.
func (t *Table) Declared() []TopicSpec {
	declared := slices.Clone(t.declared)
	for i := range declared {
		declared[i].Config = maps.Clone(declared[i].Config)
	}
	return declared
}

// Wanted returns how a topic of the program should be: as it is declared. A retry or dead letter topic whose partitions nobody declares has
// as many as the topics have that its records come from: as many as there are, which partitions returns (0 for a topic that does not
// exist), or as are wanted, if that is more.
func (t *Table) Wanted(topic string, partitions func(topic string) int) TopicSpec {
	return t.wanted(topic, partitions, t.FailureTopics())
}

func (t *Table) wanted(topic string, partitions func(topic string) int, sources map[string][]string) TopicSpec {
	want := TopicSpec{Name: topic}
	for _, d := range t.Declared() {
		if d.Name == topic {
			want = d
		}
	}
	if want.Partitions > 0 {
		return want
	}
	rest := maps.Clone(sources)
	delete(rest, topic) // what goes round, over the routes of other groups, ends here
	for _, source := range sources[topic] {
		want.Partitions = max(want.Partitions, partitions(source), t.wanted(source, partitions, rest).Partitions)
	}
	return want
}

func (t TopicSpec) configs() string {
	if len(t.Config) == 0 {
		return "-"
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(t.Config)) {
		pairs = append(pairs, name+"="+t.Config[name])
	}
	return strings.Join(pairs, " ")
}

func orDefault(n int) string {
	if n == 0 {
		return "default"
	}
	return strconv.Itoa(n)
}
