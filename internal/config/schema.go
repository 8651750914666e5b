package config

import (
	"reflect"
	"strings"
	"sync"
)

// schema is the tree of keys that Config has, read off the struct so that no key is written twice. A
// node is a section (children), a map by name (elem) or a value (typ alone).
type schema struct {
	typ      reflect.Type
	children []child
	elem     *schema
}

type child struct {
	key  string
	node *schema
}

var (
	bytesType   = reflect.TypeFor[Bytes]()        //nolint:gochecknoglobals // constant
	secretType  = reflect.TypeFor[Secret]()       //nolint:gochecknoglobals // constant
	versionType = reflect.TypeFor[Version]()      //nolint:gochecknoglobals // constant
	rootNode    = sync.OnceValue(func() *schema { //nolint:gochecknoglobals // computed once, never written
		return newSchema(reflect.TypeFor[Config]())
	})
)

func newSchema(typ reflect.Type) *schema {
	switch typ.Kind() {
	case reflect.Pointer: // a key that may be absent; its values are those of what it points to
		return newSchema(typ.Elem())
	case reflect.Map:
		return &schema{typ: typ, elem: newSchema(typ.Elem())}
	case reflect.Struct:
		node := &schema{typ: typ}

		for field := range typ.Fields() {
			if key, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); key != "" {
				node.children = append(node.children, child{key: key, node: newSchema(field.Type)})
			}
		}

		return node
	default:
		return &schema{typ: typ}
	}
}

// leaf tells a value from a section.
func (s *schema) leaf() bool { return s.children == nil && s.elem == nil }

// child returns the node of a key or, in a map, of any name; nil when there is none.
func (s *schema) child(key string) *schema {
	if s.elem != nil {
		return s.elem
	}

	for _, c := range s.children {
		if c.key == key {
			return c.node
		}
	}

	return nil
}

// find returns the node of a path, nil when there is none.
func (s *schema) find(path []string) *schema {
	for _, segment := range path {
		if s = s.child(segment); s == nil {
			return nil
		}
	}

	return s
}

// keys lists the keys of a section, in the order of the struct.
func (s *schema) keys() []string {
	keys := make([]string, len(s.children))
	for i, c := range s.children {
		keys[i] = c.key
	}

	return keys
}

// walk calls visit with every path below s. A map is walked as if it held the one name given, and not
// at all when that is empty.
func (s *schema) walk(path []string, name string, visit func(path []string)) {
	descend := func(key string, node *schema) {
		below := under(path, key)
		visit(below)
		node.walk(below, name, visit)
	}

	for _, c := range s.children {
		descend(c.key, c.node)
	}

	if s.elem != nil && name != "" {
		descend(name, s.elem)
	}
}

// kind names the type of a value for people.
func (s *schema) kind() string {
	switch {
	case s.typ == durationType:
		return "a duration"
	case s.typ == bytesType:
		return "a size in bytes"
	case s.typ.Kind() == reflect.Slice:
		return "a list"
	case s.typ.Kind() == reflect.Bool:
		return "true or false"
	case s.typ.Kind() == reflect.Int:
		return "a whole number"
	default:
		return "text"
	}
}
