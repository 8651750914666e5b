package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// CheckRoutes reports every override of topics.<name> and groups.<id> that concerns nothing, given
// the names that routes draw: it would do nothing, and most likely means another name. Callers with
// routes that match topics by pattern must leave out what these may match.
func (c Config) CheckRoutes(topics, groups []string) error {
	return join(append(
		c.undrawn(sectionTopics, "topic", slices.Sorted(maps.Keys(c.Topics)), topics),
		c.undrawn(sectionGroups, "group", slices.Sorted(maps.Keys(c.Groups)), groups)...,
	))
}

func (c Config) undrawn(section, kind string, given, drawn []string) []*Problem {
	var problems []*Problem

	for _, name := range given {
		if slices.Contains(drawn, name) {
			continue
		}

		what := fmt.Sprintf("no route draws this %s", kind)
		if near := nearest(name, drawn); near != "" {
			what += "; did you mean " + near + "?"
		} else if len(drawn) > 0 {
			what += "; drawn are " + strings.Join(slices.Sorted(slices.Values(drawn)), ", ")
		}

		path := []string{section, name}
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
