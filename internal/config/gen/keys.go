package main

import (
	"errors"
	"fmt"
	"go/ast"    //nolint:depguard // part of the standard library, which the list allows
	"go/parser" //nolint:depguard // as above
	"go/token"  //nolint:depguard // as above
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// key is what a field's comment says about a key of the configuration.
type key struct {
	path    []string
	kind    string
	text    string // the comment without its last sentence
	value   string // what that sentence says the default is
	section bool
}

// defaults is the sentence that every comment of a key ends with.
var defaults = regexp.MustCompile(`\s*Defaults to ([^;]*)\.$`)

// readKeys returns all keys in the order of the struct Config, a section before its keys.
func readKeys(dir string) ([]key, error) {
	types, err := readTypes(dir)
	if err != nil {
		return nil, err
	}

	r := reader{types: types}
	r.fields("Config", nil)

	return r.keys, errors.Join(r.errs...)
}

// readTypes returns the struct types of a package by name, with their comments.
func readTypes(dir string) (map[string]*ast.GenDecl, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}

	types := map[string]*ast.GenDecl{}

	for _, name := range files {
		code, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read source: %w", err)
		}

		file, err := parser.ParseFile(token.NewFileSet(), name, code, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse source: %w", err)
		}

		for _, decl := range file.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.TYPE && len(gen.Specs) == 1 {
				if spec, ok := gen.Specs[0].(*ast.TypeSpec); ok {
					types[spec.Name.Name] = gen
				}
			}
		}
	}

	return types, nil
}

type reader struct {
	types map[string]*ast.GenDecl
	keys  []key
	errs  []error
}

// fields reads the keys of a struct type.
func (r *reader) fields(typ string, path []string) {
	for _, field := range r.structOf(typ).Fields.List {
		name := fieldKey(field)
		if name == "" {
			continue // not a key: places
		}

		r.field(field, append(slices.Clip(path), name))
	}
}

func (r *reader) field(field *ast.Field, path []string) {
	kind, section := kindOf(field.Type)

	switch {
	case section == "":
		r.leaf(field, path, kind)
	case len(path) > 1 && path[0] == "groups": // the common sections, which stand above
		r.keys = append(r.keys, key{path: path, text: comment(field.Doc, field.Names[0].Name, path)})
	default:
		text := comment(r.types[section].Doc, section, path)

		below := path
		if kind == "map" {
			text = comment(field.Doc, field.Names[0].Name, path)
			below = append(slices.Clip(path), map[string]string{"topics": "<name>", "groups": "<id>"}[path[0]])
		}

		r.keys = append(r.keys, key{path: path, text: text, section: true})

		r.fields(section, below)
	}
}

func (r *reader) leaf(field *ast.Field, path []string, kind string) {
	text := comment(field.Doc, field.Names[0].Name, path)

	found := defaults.FindStringSubmatchIndex(text)
	if found == nil {
		r.errs = append(r.errs, fmt.Errorf("the comment of %s does not end with \"Defaults to …\"", strings.Join(path, ".")))

		return
	}

	r.keys = append(r.keys, key{path: path, kind: kind, text: text[:found[0]], value: text[found[2]:found[3]]})
}

func (r *reader) structOf(typ string) *ast.StructType {
	if decl := r.types[typ]; decl != nil {
		if spec, ok := decl.Specs[0].(*ast.TypeSpec); ok {
			if s, ok := spec.Type.(*ast.StructType); ok {
				return s
			}
		}
	}

	r.errs = append(r.errs, fmt.Errorf("there is no struct type %s", typ))

	return &ast.StructType{Fields: &ast.FieldList{}}
}

// fieldKey returns the key of a field, empty when it has none.
func fieldKey(field *ast.Field) string {
	if field.Tag == nil {
		return ""
	}

	tag, err := strconv.Unquote(field.Tag.Value)
	if err != nil {
		return ""
	}

	name, _, _ := strings.Cut(reflect.StructTag(tag).Get("yaml"), ",")

	return name
}

// kindOf names a type for people, and the struct type of a section or of a map's values.
func kindOf(typ ast.Expr) (kind, section string) {
	switch typ := typ.(type) {
	case *ast.StarExpr:
		return kindOf(typ.X)
	case *ast.ArrayType:
		return "list", ""
	case *ast.MapType:
		_, section = kindOf(typ.Value)

		return "map", section
	case *ast.SelectorExpr: // the only imported type is time.Duration
		return "duration", ""
	case *ast.Ident:
		switch typ.Name {
		case "string":
			return "text", ""
		case "bool":
			return "true or false", ""
		case "int":
			return "whole number", ""
		case "Bytes":
			return "size", ""
		case "Secret":
			return "secret text", ""
		case "Version":
			return "version", ""
		default:
			return "section", typ.Name
		}
	default:
		return "", ""
	}
}

// comment returns a doc comment in one line, about the key instead of the Go name.
func comment(doc *ast.CommentGroup, name string, path []string) string {
	text := strings.Join(strings.Fields(doc.Text()), " ")
	if rest, ok := strings.CutPrefix(text, name+" "); ok {
		text = "`" + path[len(path)-1] + "` " + rest
	}

	return text
}
