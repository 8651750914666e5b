package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// CheckRoutes reports every override of topics.<name> and groups.<id>, and every name in the section
// routes, that concerns nothing, given
// the names that routes draw: it would do nothing, and most likely means another name. Callers with
// routes that match topics by pattern must leave out what these may match.
func (c Config) CheckRoutes(topics, groups []string) error {
	const group, topic = "group", "topic"

	problems := slices.Concat(
		c.undrawn([]string{sectionTopics}, topic, slices.Sorted(maps.Keys(c.Topics)), topics),
		c.undrawn([]string{sectionGroups}, group, slices.Sorted(maps.Keys(c.Groups)), groups),
	)

	for _, choice := range []struct {
		key, kind string
		given     []string
		drawn     []string
	}{
		{"include_groups", group, c.Routes.IncludeGroups, groups},
		{"exclude_groups", group, c.Routes.ExcludeGroups, groups},
		{"include_topics", topic, c.Routes.IncludeTopics, topics},
		{"exclude_topics", topic, c.Routes.ExcludeTopics, topics},
	} {
		problems = append(problems, c.undrawn([]string{"routes", choice.key}, choice.kind, choice.given, choice.drawn)...)
	}

	return join(problems)
}

func (c Config) undrawn(section []string, kind string, given, drawn []string) []*Problem {
	var problems []*Problem

	for _, name := range given {
		if slices.Contains(drawn, name) {
			continue
		}

		what := fmt.Sprintf("no route draws this %s", kind)
		if near := Nearest(name, drawn); near != "" {
			what += "; did you mean " + near + "?"
		} else if len(drawn) > 0 {
			what += "; drawn are " + strings.Join(slices.Sorted(slices.Values(drawn)), ", ")
		}

		path := under(section, name)
		if len(section) > 1 { // an element of a list
			path, what = section, fmt.Sprintf("%q: %s", name, what)
		}

		problems = append(problems, &Problem{Place: c.placeBelow(path), Path: dotted(path), What: what})
	}

	return problems
}

// placeBelow returns where a name was given: by itself in a file, or with its first key by a variable
// or flag.
func (c Config) placeBelow(path []string) string {
	if place := c.places[joined(path)]; place != "" {
		return place
	}

	for _, key := range slices.Sorted(maps.Keys(c.places)) {
		if strings.HasPrefix(key, joined(path)+sep) {
			return c.places[key]
		}
	}

	return ""
}
