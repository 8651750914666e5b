package config

import (
	"errors"
	"slices"
	"strings"
)

// Problem is one mistake in a configuration. The errors of this package join Problems, one per
// mistake: print the error for one line each, or take them apart with [Problems].
type Problem struct { //nolint:errname // one of many in an error, not the error that callers test for
	// Place is where the mistake stands: "karafgo.yaml:3", "env KARAFGO_LOG__LEVEL", "flag", or empty
	// for a value that no source set.
	Place string
	// Path is the dotted path of the key, as in "group.session_timeout", or empty when the mistake is
	// not about one key (a file that is not YAML).
	Path string
	// What tells what is wrong, and after it the remedy.
	What string
}

// Error writes the problem on one line.
func (p *Problem) Error() string {
	parts := make([]string, 0, 3)
	for _, part := range []string{p.Place, p.Path, p.What} {
		if part != "" {
			parts = append(parts, part)
		}
	}

	return strings.Join(parts, ": ")
}

// Problems returns the mistakes that an error of this package joins, in order, for output that is not
// lines. It looks into errors that wrap such an error.
func Problems(err error) []*Problem {
	if p, ok := err.(*Problem); ok { //nolint:errorlint // one level at a time: the tree is walked below
		return []*Problem{p}
	}

	var found []*Problem

	switch wrapped := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() []error }:
		for _, e := range wrapped.Unwrap() {
			found = append(found, Problems(e)...)
		}
	case interface{ Unwrap() error }:
		found = Problems(wrapped.Unwrap())
	}

	return found
}

// join makes one error of all problems, and nil of none.
func join(problems []*Problem) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}

	return errors.Join(errs...)
}

// Paths are slices of segments inside this package, because the names of topics and groups hold dots.
// sep joins them into map keys and koanf paths; no segment holds it (see printable).
const sep = "\x1f"

// The sections whose keys are names.
const (
	sectionTopics = "topics"
	sectionGroups = "groups"
)

// sectionGroup is the common section of what groups.<id>.group overrides.
const sectionGroup = "group"

// under returns the path of a key of a section. It never writes to the section's own array.
func under(path []string, keys ...string) []string { return append(slices.Clip(path), keys...) }

// dotted writes a path for people.
func dotted(path []string) string { return strings.Join(path, ".") }

// joined writes a path for maps.
func joined(path []string) string { return strings.Join(path, sep) }
