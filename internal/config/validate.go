package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Validate reports every bad value and every conflict at once, in one error of [Problem]s. [Load] has
// called it; a configuration that is made or changed in code needs it. Places are those that the
// sources gave, also for a value that code has changed since.
func (c Config) Validate() error {
	found := c.problems()

	problems := make([]*Problem, len(found))
	for i, p := range found {
		problems[i] = p.Problem
	}

	return join(problems)
}

// finding is a problem with the joined paths of all keys that have a part in it.
type finding struct {
	*Problem

	keys []string
}

// problems checks the common sections, then what the overrides of topics and groups add.
func (c Config) problems() []finding {
	v := &validator{places: c.places, seen: map[string]bool{}, bad: map[string]bool{}}

	v.kafka(c.Kafka)
	v.shared(GroupConfig{Group: c.Group, Fetch: c.Fetch, Commit: c.Commit})
	v.producer(c.Producer)
	v.process(c)

	for _, name := range slices.Sorted(maps.Keys(c.Topics)) {
		v.topic(name, c.Topics[name])
	}

	v.common = v.seen

	for _, id := range slices.Sorted(maps.Keys(c.Groups)) {
		v.group(id, c.Groups[id])
	}

	return v.found
}

// validator collects findings. Keys are dotted below prefix: "group.drain" under prefix groups, "x"
// is the path groups, x, group, drain.
type validator struct {
	places map[string]string
	prefix []string
	found  []finding
	seen   map[string]bool // findings of the common sections, by first key and text
	bad    map[string]bool // paths of values that are bad in themselves
	common map[string]bool // seen, while overrides of groups are checked
}

func (v *validator) path(key string) []string {
	return under(v.prefix, strings.Split(key, ".")...)
}

// report records what is wrong with the first key; the others have a part in it. It is placed where
// one of them was set: a conflict with a default is the mistake of who set the other key.
func (v *validator) report(what string, keys ...string) {
	if len(keys) == 1 {
		v.bad[joined(v.path(keys[0]))] = true
	} else if slices.ContainsFunc(keys, func(key string) bool { return v.bad[joined(v.path(key))] }) {
		return // a conflict with a bad value says nothing new
	}

	id := keys[0] + sep + what
	if v.common[id] {
		return // inherited from a common section and reported there
	}

	if v.prefix == nil {
		v.seen[id] = true
	}

	var (
		at    = v.path(keys[0])
		place string
		all   []string
	)

	for _, key := range keys {
		path := v.path(key)
		all = append(all, joined(path))

		switch set := v.places[joined(path)]; {
		case set == "" && v.prefix != nil: // an override that does not give the key has the common one
			all = append(all, joined(strings.Split(key, ".")))
		case set != "" && place == "":
			at, place = path, set
		}
	}

	v.found = append(v.found, finding{Problem: &Problem{Place: place, Path: dotted(at), What: what}, keys: all})
}

// reportName records what is wrong with the name that the prefix ends with.
func (v *validator) reportName(what string) {
	problem := &Problem{Place: v.places[joined(v.prefix)], Path: dotted(v.prefix), What: what}
	v.found = append(v.found, finding{Problem: problem, keys: []string{joined(v.prefix)}})
}

// between checks a number against bounds that belong to it.
func between[T ~int | ~int64](v *validator, key string, value, low, high T) {
	switch {
	case value < low:
		v.report(fmt.Sprintf("%v is too small: write %v or more", text(value), text(low)), key)
	case value > high:
		v.report(fmt.Sprintf("%v is too large: write %v or less", text(value), text(high)), key)
	}
}

// setting is a key with its value, for conflicts.
type setting struct {
	key   string
	value any
}

// name is the key as one reads it inside its section.
func (s setting) name() string { return s.key[strings.LastIndex(s.key, ".")+1:] }

// conflict reports that a value is too large beside another one, and what would come of it.
func (v *validator) conflict(large setting, relation string, small setting, hazard string) {
	v.report(fmt.Sprintf("%s %s %s %s %s, so that %s: lower the first or raise the second",
		large.name(), text(large.value), relation, small.name(), text(small.value), hazard), large.key, small.key)
}

// text writes durations without the zeros of time.Duration.String: 1m instead of 1m0s.
func text(value any) string {
	s := fmt.Sprint(value)
	if _, ok := value.(time.Duration); ok {
		s = short(s)
	}

	return s
}

// short cuts "0s" and then "0m" off a duration, where a larger unit stands before them.
func short(s string) string {
	if before, ok := strings.CutSuffix(s, "m0s"); ok {
		s = before + "m"
	}

	if before, ok := strings.CutSuffix(s, "h0m"); ok {
		s = before + "h"
	}

	return s
}

// oneOf checks a word against those that are known.
func (v *validator) oneOf(key, value string, known ...string) {
	if slices.Contains(known, value) {
		return
	}

	what := fmt.Sprintf("%q is unknown: write one of %s", value, strings.Join(known, ", "))
	if near := Nearest(value, known); near != "" {
		what = fmt.Sprintf("%q is unknown; did you mean %s? Known are %s", value, near, strings.Join(known, ", "))
	}

	v.report(what, key)
}
