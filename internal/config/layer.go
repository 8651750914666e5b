package config

import (
	"fmt"
	"strings"
)

// layer is what one source gives: values of the right type, where each stands, and the mistakes. A
// later layer overrides an earlier one.
type layer struct {
	values   map[string]any    // nested by segments of the path
	places   map[string]string // by joined path
	problems []*Problem
	wrong    map[string]bool // joined paths that were given, or meant, without a usable value

	// spell writes a path as this source would, for suggestions.
	spell func(path []string) string
}

func newLayer(spell func([]string) string) *layer {
	return &layer{
		values: map[string]any{},
		places: map[string]string{},
		wrong:  map[string]bool{},
		spell:  spell,
	}
}

// report records a mistake about a path.
func (l *layer) report(place string, path []string, what string) {
	l.problems = append(l.problems, &Problem{Place: place, Path: dotted(path), What: what})
	l.wrong[joined(path)] = true
}

// reportUnknown records a path that does not exist. The path that was meant counts as wrong too:
// whatever depends on it is not judged by a value that nobody chose.
func (l *layer) reportUnknown(place string, path []string) {
	what := "unknown key"

	if meant := nearestPath(path); meant != nil {
		what += "; did you mean " + l.spell(meant) + "?"
		l.wrong[joined(meant)] = true
	} else {
		section := rootNode()
		for _, segment := range path {
			below := section.child(segment)
			if below == nil || below.leaf() {
				break
			}

			section = below
		}

		what += "; the keys here are " + strings.Join(section.keys(), ", ")
	}

	l.report(place, path, what)
}

// set checks one value and keeps it.
func (l *layer) set(place string, path []string, node *schema, value raw) {
	if first, twice := l.places[joined(path)]; twice {
		l.report(place, path, "is already set by "+first+": remove one of them")

		return
	}

	v, wrong := node.parse(value)
	if wrong != "" {
		l.report(place, path, wrong)

		return
	}

	l.places[joined(path)] = place
	l.section(path[:len(path)-1])[path[len(path)-1]] = v
}

// section returns the map of values of a path, made when it is missing. Only sections have children
// in the schema, so a value is never in the way.
func (l *layer) section(path []string) map[string]any {
	section := l.values

	for _, segment := range path {
		below, ok := section[segment].(map[string]any)
		if !ok {
			below = map[string]any{}
			section[segment] = below
		}

		section = below
	}

	return section
}

// setText takes a value of the environment or of a flag.
func (l *layer) setText(place string, path []string, text string) {
	node := rootNode().find(path)

	switch {
	case node == nil:
		l.reportUnknown(place, path)
	case !node.leaf() && node.elem == nil:
		l.report(place, path, "is a section: set one of its keys, "+strings.Join(node.keys(), ", "))
	case !node.leaf():
		l.report(place, path, "is a section: set a key of one of its names")
	default:
		if name, ok := badName(path); ok {
			l.report(place, path, fmt.Sprintf("%q is no name of a topic or group", name))

			return
		}

		l.set(place, path, node, raw{items: []scalar{{text: text}}})
	}
}

// badName returns the name in a path below topics or groups that cannot be one.
func badName(path []string) (string, bool) {
	node := rootNode()

	for _, segment := range path {
		if node.elem != nil && (segment == "" || !printable(segment)) {
			return segment, true
		}

		node = node.child(segment)
	}

	return "", false
}
