package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML writes the whole configuration in effect as a file that loads to the same configuration. It
// holds file names of keys and certificates, never their content.
func (c Config) YAML() ([]byte, error) {
	const indent = 2

	var out bytes.Buffer

	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(indent)

	if err := errors.Join(encoder.Encode(c), encoder.Close()); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}

	return out.Bytes(), nil
}

// fileLayer reads a YAML document. It walks the nodes instead of decoding them, because only nodes
// know their lines, and because a decoder would turn a value of the wrong type into something.
func fileLayer(name string, data []byte) *layer {
	file := &yamlFile{layer: newLayer(dotted), name: name}
	decoder := yaml.NewDecoder(bytes.NewReader(data))

	var document, second yaml.Node

	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF): // an empty file, or nothing but comments
		return file.layer
	case err != nil:
		file.syntax(err)

		return file.layer
	}

	switch err := decoder.Decode(&second); {
	case err == nil:
		file.report(file.place(&second), nil, "is a second document: put all keys into one and remove the line ---")
	case !errors.Is(err, io.EOF):
		file.syntax(err)
	}

	for _, content := range document.Content {
		file.section(content, rootNode(), nil)
	}

	return file.layer
}

type yamlFile struct {
	*layer

	name string
}

func (f *yamlFile) place(n *yaml.Node) string { return f.name + ":" + strconv.Itoa(n.Line) }

// syntax reports what the parser says, with its line where ours stand.
func (f *yamlFile) syntax(err error) {
	place, what := f.name, strings.TrimPrefix(err.Error(), "yaml: ")

	if rest, ok := strings.CutPrefix(what, "line "); ok {
		if line, text, ok := strings.Cut(rest, ": "); ok {
			place, what = f.name+":"+line, text
		}
	}

	f.report(place, nil, "is not YAML: "+what)
}

// section reads a mapping. Depth is bounded by the schema, so an alias to one of its own ancestors
// ends too.
func (f *yamlFile) section(n *yaml.Node, node *schema, path []string) {
	n = resolve(n)

	if null(n) { // a section of which every key is commented out
		return
	}

	if n.Kind != yaml.MappingNode {
		keys := ""
		if node.elem == nil {
			keys = ": " + strings.Join(node.keys(), ", ")
		}

		f.report(f.place(n), path, "is not a section: write keys with values below it"+keys)

		return
	}

	lines := map[string]int{}

	for pair := range slices.Chunk(n.Content, 2) {
		key, value := resolve(pair[0]), resolve(pair[1])

		below, ok := f.key(key, path, lines)
		if !ok {
			continue
		}

		f.value(key, value, node.child(below[len(below)-1]), below, node.elem != nil)
	}
}

// key returns the path of a key, or false for one that cannot be used.
func (f *yamlFile) key(n *yaml.Node, path []string, lines map[string]int) ([]string, bool) {
	below := under(path, n.Value)

	switch {
	case n.Kind != yaml.ScalarNode:
		f.report(f.place(n), path, "has a key that is not text")
	case n.ShortTag() == "!!merge":
		f.report(f.place(n), path, "merge keys (<<) are not supported: write the keys out")
	case n.Value == "" || !printable(n.Value):
		f.report(f.place(n), path, fmt.Sprintf("%q is not a name", n.Value))
	case lines[n.Value] > 0:
		f.report(f.place(n), below, fmt.Sprintf("is given twice, first in line %d: remove one of them", lines[n.Value]))
	default:
		lines[n.Value] = n.Line

		return below, true
	}

	return nil, false
}

// value reads what stands after a key; named tells that the key is the name of a topic or group.
func (f *yamlFile) value(key, value *yaml.Node, node *schema, path []string, named bool) {
	switch {
	case node == nil:
		f.reportUnknown(f.place(key), path)
	case !node.leaf():
		if named { // the name counts even when nothing is set below it
			f.layer.section(path)
			f.places[joined(path)] = f.place(key)
		}

		f.section(value, node, path)
	case value.Kind == yaml.ScalarNode:
		f.set(f.place(key), path, node, raw{items: []scalar{scalarOf(value)}})
	case value.Kind == yaml.SequenceNode:
		list := raw{list: true}

		for _, item := range value.Content {
			if item = resolve(item); item.Kind != yaml.ScalarNode {
				f.report(f.place(item), path, "holds an element that is not text")

				return
			}

			list.items = append(list.items, scalarOf(item))
		}

		f.set(f.place(key), path, node, list)
	default:
		f.report(f.place(key), path, "is a section: write "+node.kind())
	}
}

// resolve follows an alias to what it names.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}

	return n
}

func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == tagNull }

func scalarOf(n *yaml.Node) scalar { return scalar{text: n.Value, tag: n.ShortTag()} }
