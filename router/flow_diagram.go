package router

import (
	"fmt"
	"strings"
	"unicode"
)

// diagram is a flow as it is drawn: topics, routes, and arrows between them.
type diagram struct {
	nodes  []node
	arrows []arrow
	ids    map[nodeKey]string
	count  map[nodeKind]int
}

type nodeKind string

// The names of kinds are what identifiers begin with.
const (
	topicNode   nodeKind = "topic"
	patternNode nodeKind = "pattern"
	routeNode   nodeKind = "route"
	endNode     nodeKind = "end" // with its number it is no keyword
)

type nodeKey struct {
	kind nodeKind
	// group is empty for topics, which all groups share; what a pattern matches depends on what else its group draws.
	group, name string
}

// node has a number for an identifier: names may have any characters, and two of them the same letters.
type node struct {
	kind      nodeKind
	id, label string
}

type arrow struct {
	from, to, label string
	failure         bool
}

func (f Flow) diagram() *diagram {
	d := &diagram{ids: map[nodeKey]string{}, count: map[nodeKind]int{}}
	for _, e := range f {
		if e.Kind == EdgeMatches {
			d.arrow(arrow{d.topic("", e.From), d.topic(e.Group, e.To), string(EdgeMatches), false})
			continue
		}
		route := nodeKey{routeNode, e.Group, e.From}
		switch e.Kind {
		case EdgeConsumes:
			d.arrow(arrow{d.topic(e.Group, e.From), d.node(route, e.Group), "", false})
		case EdgeOutput:
			d.arrow(arrow{d.node(route, e.Group), d.topic("", e.To), e.how(), false})
		case EdgeRetry:
			topic := d.topic("", e.To)
			d.arrow(arrow{d.node(route, e.Group), topic, e.how(), true})
			d.arrow(arrow{topic, d.node(route, e.Group), "", false})
		case EdgeDeadLetter:
			d.arrow(arrow{d.node(route, e.Group), d.topic("", e.To), e.how(), true})
		default: // each has an end of its own: what ends in one place has nothing to do with what ends in another
			end := nodeKey{endNode, e.Group, e.From + "\n" + string(e.Kind)}
			d.arrow(arrow{d.node(route, e.Group), d.node(end, string(e.Kind)), e.on(), true})
		}
	}
	return d
}

// topic is the node of a topic, or of a group's pattern.
func (d *diagram) topic(group, name string) string {
	if strings.HasPrefix(name, "/") {
		return d.node(nodeKey{patternNode, group, name}, name)
	}
	return d.node(nodeKey{topicNode, "", name}, name)
}

func (d *diagram) node(key nodeKey, label string) string {
	id, ok := d.ids[key]
	if !ok {
		d.count[key.kind]++
		id = fmt.Sprintf("%s%d", key.kind, d.count[key.kind])
		d.ids[key] = id
		d.nodes = append(d.nodes, node{key.kind, id, printable(label)})
	}
	return id
}

func (d *diagram) arrow(a arrow) { d.arrows = append(d.arrows, a) }

// Mermaid draws it as a flowchart in the language of Mermaid, which GitHub shows in a block of code that is marked mermaid. Topics are
// round, patterns hexagons, routes boxes with the name of their group; what failures do is dotted.
func (f Flow) Mermaid() string {
	shapes := map[nodeKind]string{
		topicNode: `(["%s"])`, patternNode: `{{"%s"}}`, routeNode: `["%s"]`, endNode: `(("%s"))`,
	}
	d := f.diagram()
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for _, n := range d.nodes {
		fmt.Fprintf(&b, "    %s"+shapes[n.kind]+"\n", n.id, mermaidText(n.label))
	}
	for _, a := range d.arrows {
		line := "-->"
		if a.failure {
			line = "-.->"
		}
		if a.label != "" {
			line += `|"` + mermaidText(a.label) + `"|`
		}
		fmt.Fprintf(&b, "    %s %s %s\n", a.from, line, a.to)
	}
	return b.String()
}

// mermaidText writes as entities what Mermaid, HTML or Markdown could take for theirs. Some versions of Mermaid read every label as
// Markdown, and show an error in place of a list or a link: so "_", "-" and "." stand for themselves only within a word, and not in "www.".
func mermaidText(text string) string {
	runes := []rune(text)
	word := func(i int) bool {
		return i >= 0 && i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]))
	}
	var b strings.Builder
	for i, r := range runes {
		within := strings.ContainsRune("_-.", r) && word(i-1) && word(i+1) && !isLink(runes[:i+1])
		if word(i) || within || strings.ContainsRune(" ,/", r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

// isLink reports whether a text ends in what makes a link of the rest.
func isLink(text []rune) bool { return strings.HasSuffix(strings.ToLower(string(text)), "www.") }

// DOT draws it in the language of Graphviz, for the command dot. Topics are cylinders, patterns folders, routes boxes with the name of
// their group; what failures do is dotted.
func (f Flow) DOT() string {
	shapes := map[nodeKind]string{topicNode: "cylinder", patternNode: "folder", routeNode: "box", endNode: "circle"}
	d := f.diagram()
	var b strings.Builder
	b.WriteString("digraph flow {\n    rankdir=LR\n")
	for _, n := range d.nodes {
		fmt.Fprintf(&b, "    %s [shape=%s, label=%s]\n", n.id, shapes[n.kind], dotText(n.label))
	}
	for _, a := range d.arrows {
		var attributes []string
		if a.label != "" {
			attributes = append(attributes, "label="+dotText(a.label))
		}
		if a.failure {
			attributes = append(attributes, "style=dotted")
		}
		fmt.Fprintf(&b, "    %s -> %s", a.from, a.to)
		if len(attributes) > 0 {
			fmt.Fprintf(&b, " [%s]", strings.Join(attributes, ", "))
		}
		b.WriteString("\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// dotText quotes a label. Graphviz reads entities of HTML in it, and sequences such as \N.
func dotText(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;").Replace(text) + `"`
}
