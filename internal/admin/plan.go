package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// Action is what a step does.
type Action string

// The actions. Apply carries out the first three, and leaves the others to people.
const (
	// Create makes a topic that does not exist.
	Create Action = "create"
	// AddPartitions gives a topic more partitions.
	AddPartitions Action = "add_partitions"
	// SetConfig changes configurations that are declared.
	SetConfig Action = "set_config"
	// Drift is a difference that cannot be mended without losing records or moving data.
	Drift Action = "drift"
	// Missing is a topic that does not exist and that nobody declares.
	Missing Action = "missing"
)

// Step is one difference between the cluster and what a program wants of it.
type Step struct {
	Topic  string `json:"topic"`
	Action Action `json:"action"`
	// Partitions and Replication are what is wanted; 0 for the cluster's defaults, or where the step is not about them.
	Partitions  int `json:"partitions,omitempty"`
	Replication int `json:"replication,omitempty"`
	// Have is how many partitions there are, for AddPartitions.
	Have int `json:"have,omitempty"`
	// Config are those to be set, by name.
	Config []ConfigChange `json:"config,omitempty"`
	// Reason is why Apply leaves it alone, and the remedy.
	Reason string `json:"reason,omitempty"`
}

// ConfigChange is a configuration of a topic that is to be set.
type ConfigChange struct {
	Name string `json:"name"`
	// From is the value in force, nil for none that the cluster tells.
	From *string `json:"from"`
	To   string  `json:"to"`
}

// Applies reports whether Apply does something about the step.
func (s Step) Applies() bool { return s.Action != Drift && s.Action != Missing }

// String says what the step does, as in "partitions 3 to 6".
func (s Step) String() string {
	var parts []string
	switch s.Action {
	case Create:
		parts = []string{"default partitions", "default replication"}
		if s.Partitions > 0 {
			parts[0] = partitions(s.Partitions)
		}
		if s.Replication > 0 {
			parts[1] = fmt.Sprintf("replication %d", s.Replication)
		}
		for _, c := range s.Config {
			parts = append(parts, c.Name+"="+c.To)
		}
	case AddPartitions:
		return fmt.Sprintf("%d to %d", s.Have, s.Partitions)
	case SetConfig:
		for _, c := range s.Config {
			from := "unset"
			if c.From != nil {
				from = *c.From
			}
			parts = append(parts, fmt.Sprintf("%s from %s to %s", c.Name, from, c.To))
		}
	default:
		return s.Reason
	}
	return strings.Join(parts, ", ")
}

func partitions(n int) string {
	if n == 1 {
		return "1 partition"
	}
	return fmt.Sprintf("%d partitions", n)
}

// Plan compares the topics of a program with those in the cluster. Its steps are ordered by topic, and for each topic in the order in which
// the actions stand above. It changes nothing.
//
// Declared topics are wanted as they are declared. Retry and dead letter topics are wanted also when nobody declares them: retry topics
// with as many partitions as the topic that they are for, dead letter topics with that many or more. All others are only told when they
// do not exist.
func (c *Cluster) Plan(ctx context.Context, t *router.Table) ([]Step, error) {
	found, err := c.topics(ctx, t)
	if err != nil {
		return nil, err
	}
	configs, err := c.configs(ctx, t, found)
	if err != nil {
		return nil, err
	}
	steps := []Step{}
	sources := t.FailureTopics()
	for _, role := range roles(t, nil) {
		want := t.Wanted(role.Name, func(topic string) int { return len(found[topic].Partitions) })
		if have, ok := found[role.Name]; ok {
			steps = append(steps, differences(role, want, have, configs[role.Name])...)
			continue
		}
		_, failures := sources[role.Name]
		steps = append(steps, absent(role, want, failures))
	}
	return steps, nil
}

// absent is the step for a topic that does not exist.
func absent(role Topic, want router.TopicSpec, failures bool) Step {
	step := Step{Topic: role.Name, Action: Create, Partitions: want.Partitions, Replication: want.Replication}
	for _, name := range slices.Sorted(maps.Keys(want.Config)) {
		step.Config = append(step.Config, ConfigChange{Name: name, To: want.Config[name]})
	}
	from := cmp.Or(role.RetriesOf, strings.Join(role.DeadLettersOf, ", "))
	switch {
	case role.Declared:
	case failures && (want.Partitions > 0 || from == ""):
	case failures:
		return Step{Topic: role.Name, Action: Missing, Reason: "created when there is " + from}
	default:
		return Step{Topic: role.Name, Action: Missing, Reason: "not declared: create it, or r.Declare it"}
	}
	return step
}

// differences are the steps for a topic that exists.
func differences(role Topic, want router.TopicSpec, have kadm.TopicDetail, configs map[string]kadm.Config) (steps []Step) {
	add := func(s Step) {
		s.Topic = role.Name
		steps = append(steps, s)
	}
	n := len(have.Partitions)
	if n < want.Partitions {
		add(Step{Action: AddPartitions, Have: n, Partitions: want.Partitions})
	}
	if changes := changed(want.Config, configs); len(changes) > 0 {
		add(Step{Action: SetConfig, Config: changes})
	}
	switch more := want.Partitions > 0 && n > want.Partitions; {
	case more && role.RetriesOf != "":
		add(Step{
			Action: Drift,
			Reason: fmt.Sprintf("has %s, %s has %d: only a new topic has fewer", partitions(n), role.RetriesOf, want.Partitions),
		})
	case more && !role.DeadLetters: // a dead letter topic may have more
		add(Step{Action: Drift, Reason: fmt.Sprintf("has %s, %d declared: only a new topic has fewer", partitions(n), want.Partitions)})
	}
	if r := fewestReplicas(have); want.Replication > 0 && r != want.Replication {
		add(Step{Action: Drift, Reason: fmt.Sprintf("has replication %d, %d declared: reassign its partitions", r, want.Replication)})
	}
	return steps
}

func changed(want map[string]string, have map[string]kadm.Config) (changes []ConfigChange) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		c, ok := have[name]
		if ok && (c.Sensitive || c.Value != nil && *c.Value == want[name]) {
			continue
		}
		changes = append(changes, ConfigChange{Name: name, From: c.Value, To: want[name]})
	}
	return changes
}

// configs describes the topics for which configurations are declared.
func (c *Cluster) configs(ctx context.Context, t *router.Table, found kadm.TopicDetails) (map[string]map[string]kadm.Config, error) {
	var names []string
	for _, d := range t.Declared() {
		if found.Has(d.Name) && len(d.Config) > 0 {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return map[string]map[string]kadm.Config{}, nil
	}
	described, err := c.admin.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("describe configurations of topics: %w", err)
	}
	configs := map[string]map[string]kadm.Config{}
	var errs []error
	for _, d := range described {
		if d.Err != nil {
			errs = append(errs, fmt.Errorf("describe configuration of topic %q: %w", d.Name, kafka.WithMessage(d.Err, d.ErrMessage)))
			continue
		}
		configs[d.Name] = map[string]kadm.Config{}
		for _, one := range d.Configs {
			configs[d.Name][one.Key] = one
		}
	}
	return configs, errors.Join(errs...)
}

// Apply carries out the steps that apply, one after the other, and calls each after every one of them. It goes on after a failure; its
// error names all of them. Nothing is deleted, and no partition taken away.
func (c *Cluster) Apply(ctx context.Context, steps []Step, each func(Step, error)) error {
	var errs []error
	for _, s := range steps {
		if !s.Applies() {
			continue
		}
		err := c.apply(ctx, s)
		if ctx.Err() != nil {
			return errors.Join(append(errs, fmt.Errorf("interrupted at topic %q: %w", s.Topic, context.Cause(ctx)))...)
		}
		if err != nil {
			err = fmt.Errorf("%s topic %q: %w", strings.ReplaceAll(string(s.Action), "_", " "), s.Topic, err)
			errs = append(errs, err)
		}
		each(s, err)
	}
	return errors.Join(errs...)
}

func (c *Cluster) apply(ctx context.Context, s Step) error {
	switch s.Action {
	case Create:
		spec := kafka.TopicSpec{Name: s.Topic, Partitions: s.Partitions, Replication: s.Replication, Config: map[string]string{}}
		for _, one := range s.Config {
			spec.Config[one.Name] = one.To
		}
		return kafka.CreateTopic(ctx, c.admin, spec)
	case AddPartitions:
		answers, err := c.admin.UpdatePartitions(ctx, s.Partitions, s.Topic)
		if err != nil {
			return err
		}
		a, err := answers.On(s.Topic, nil)
		return kafka.WithMessage(cmp.Or(err, a.Err), a.ErrMessage)
	case SetConfig:
		changes := make([]kadm.AlterConfig, len(s.Config))
		for i, one := range s.Config {
			changes[i] = kadm.AlterConfig{Op: kadm.SetConfig, Name: one.Name, Value: &one.To}
		}
		answers, err := c.admin.AlterTopicConfigs(ctx, changes, s.Topic)
		if err != nil {
			return err
		}
		a, err := answers.On(s.Topic, nil)
		return kafka.WithMessage(cmp.Or(err, a.Err), a.ErrMessage)
	default:
		return nil
	}
}
