package reference

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed events_head.md
var eventsHead string

// Events writes the page about events and hooks, of the source of package callbacks in dir.
func Events(dir string) ([]byte, error) {
	s, err := readSource(dir)
	if err != nil {
		return nil, err
	}
	where, whereErr := s.typ("Where")
	hooks, hooksErr := s.typ("Hooks")
	if err := errors.Join(whereErr, hooksErr); err != nil {
		return nil, err
	}
	var events []*doc.Type
	for _, t := range s.pkg.Types {
		if slices.ContainsFunc(t.Methods, func(f *doc.Func) bool { return f.Name == "event" }) {
			events = append(events, t)
		}
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("find events in %s: no type has a method event", dir)
	}
	slices.SortFunc(events, func(a, b *doc.Type) int { return int(a.Decl.Pos() - b.Decl.Pos()) })
	var page bytes.Buffer
	page.WriteString(eventsHead)
	for _, t := range events {
		says := strings.TrimPrefix(oneLine(s.pkg.Synopsis(t.Doc)), t.Name+" ")
		fmt.Fprintf(&page, "| [`%s`](#%s) | %s |\n", t.Name, strings.ToLower(t.Name), says)
	}
	page.WriteString("\nMost are about a partition, and embed `Where`:\n\n")
	if err := s.code(&page, where.Decl); err != nil {
		return nil, err
	}
	for _, t := range events {
		if err := s.section(&page, t); err != nil {
			return nil, err
		}
		if err := s.constants(&page, t.Name); err != nil {
			return nil, err
		}
	}
	if err := s.section(&page, hooks); err != nil {
		return nil, err
	}
	return page.Bytes(), nil
}

type packageSource struct {
	files *token.FileSet
	pkg   *doc.Package
}

func readSource(dir string) (*packageSource, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	s := &packageSource{files: token.NewFileSet()}
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(s.files, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse source: %w", err)
		}
		parsed = append(parsed, file)
	}
	if s.pkg, err = doc.NewFromFiles(s.files, parsed, "callbacks", doc.AllDecls|doc.PreserveAST); err != nil {
		return nil, fmt.Errorf("read comments: %w", err)
	}
	return s, nil
}

// typ returns a type of the package.
func (s *packageSource) typ(name string) (*doc.Type, error) {
	i := slices.IndexFunc(s.pkg.Types, func(t *doc.Type) bool { return t.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("find type %s: it is not in the package", name)
	}
	return s.pkg.Types[i], nil
}

// section writes a type with its comment and its fields.
func (s *packageSource) section(page *bytes.Buffer, t *doc.Type) error {
	if t.Doc == "" {
		return fmt.Errorf("describe %s: it has no comment", t.Name)
	}
	fmt.Fprintf(page, "\n## %s\n\n%s\n\n", t.Name, oneLine(t.Doc))
	return s.code(page, t.Decl)
}

// constants writes the values that a field of an event may have: the group of constants whose comment begins "Reasons of <event>".
func (s *packageSource) constants(page *bytes.Buffer, event string) error {
	for _, c := range s.pkg.Consts {
		if words := strings.Fields(c.Doc); len(words) > 2 && words[0] == "Reasons" && strings.Trim(words[2], ".,") == event {
			fmt.Fprintf(page, "\n%s\n\n", oneLine(c.Doc))
			if err := s.code(page, c.Decl); err != nil {
				return err
			}
		}
	}
	return nil
}

// code writes a declaration without the comment that stands above it, which is text already.
func (s *packageSource) code(page *bytes.Buffer, decl *ast.GenDecl) error {
	bare := *decl
	bare.Doc = nil
	page.WriteString("```go\n")
	if err := format.Node(page, s.files, &bare); err != nil {
		return fmt.Errorf("print declaration: %w", err)
	}
	page.WriteString("\n```\n")
	return nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
