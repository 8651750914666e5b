package config

import (
	"maps"
	"slices"
	"strings"
)

const (
	envPrefix   = "KARAFGO_"
	envNesting  = "__"
	envFile     = "KARAFGO_CONFIG" // the path of the file, which is no key
	envTests    = "KARAFGO_TEST_"  // left to tests
	defaultFile = "karafgo.yaml"
)

// envLayer reads the variables that begin with KARAFGO_.
func envLayer(environ []string) *layer {
	l := newLayer(envName)

	given := variables(environ)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if name != envFile && !strings.HasPrefix(name, envTests) {
			l.setText("env "+name, envPath(name), given[name])
		}
	}

	return l
}

// variables returns the KARAFGO_ variables of "name=value" pairs. Of a name given twice the last
// counts, as in os/exec.
func variables(environ []string) map[string]string {
	found := map[string]string{}

	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, envPrefix) {
			found[name] = value
		}
	}

	return found
}

// envPath returns the path that a variable means. A segment that has a lower-case letter is taken as it
// is, for the names of topics and groups that need one.
func envPath(name string) []string {
	path := strings.Split(strings.TrimPrefix(name, envPrefix), envNesting)
	for i, segment := range path {
		if segment == strings.ToUpper(segment) {
			path[i] = strings.ToLower(segment)
		}
	}

	return path
}

// envName returns the variable of a path.
func envName(path []string) string {
	return envPrefix + strings.ToUpper(strings.Join(path, envNesting))
}

// flagLayer reads flags, a map from dotted path to value.
func flagLayer(flags map[string]string) *layer {
	l := newLayer(dotted)

	for _, path := range slices.Sorted(maps.Keys(flags)) {
		l.setText("flag", splitFlag(path), flags[path])
	}

	return l
}

// splitFlag splits a dotted path. Below topics and groups a name may hold dots, and what follows it
// has a known depth: one key of a topic, a section and a key of a group.
func splitFlag(path string) []string {
	segments := strings.Split(path, ".")

	depth := map[string]int{sectionTopics: 1, sectionGroups: 2}[segments[0]]
	if depth == 0 || len(segments) < depth+2 {
		return segments
	}

	end := len(segments) - depth

	return append([]string{segments[0], strings.Join(segments[1:end], ".")}, segments[end:]...)
}
