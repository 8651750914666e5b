package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// Marker is a comment above which lines are added.
type Marker string

// The markers of a program.
const (
	// MarkProvide stands among the parameters of fx.Provide.
	MarkProvide Marker = "// karafgo:provide"
	// MarkRoutes stands among the parameters of framework.Routes.
	MarkRoutes Marker = "// karafgo:routes"
	// MarkUse stands among the parameters of framework.Use.
	MarkUse Marker = "// karafgo:use"
	// MarkDeclare stands behind the calls of Declare. It also tells which package things are generated into.
	MarkDeclare Marker = "// karafgo:declare"
)

// Module is the module of a program that is added to.
type Module struct {
	// Root is its folder, and Path its path.
	Root, Path string
	// Dir is the folder, of slashes and relative to Root, that the user is in.
	Dir string

	files map[string][]byte // Go files but for tests, by path of slashes relative to Root
}

// ErrNoModule says that there is nothing to add to.
var ErrNoModule = errors.New("no go.mod in this folder or above it: change into a program, or make one by karafgo new NAME")

// Open finds the module that a folder belongs to, and reads its Go files.
func Open(dir string) (*Module, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find go.mod: %w", err)
	}
	root := dir
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	for errors.Is(err, fs.ErrNotExist) {
		parent := filepath.Dir(root)
		if parent == root {
			return nil, ErrNoModule
		}
		root = parent
		text, err = os.ReadFile(filepath.Join(root, "go.mod"))
	}
	if err != nil {
		return nil, fmt.Errorf("read go.mod: %w", err)
	}
	m := &Module{Root: root, Path: modfile.ModulePath(text), files: map[string][]byte{}}
	if m.Path == "" {
		return nil, fmt.Errorf("%s names no module", filepath.Join(root, "go.mod"))
	}
	if rel, err := filepath.Rel(root, dir); err == nil {
		m.Dir = filepath.ToSlash(rel)
	}
	if err := m.read(); err != nil {
		return nil, err
	}
	return m, nil
}

// read reads what the go tool would build: not what is vendored, of another module, or hidden.
func (m *Module) read() error {
	err := filepath.WalkDir(m.Root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != m.Root && leftOut(name, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(name) //nolint:gosec // the user's own sources
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(m.Root, name)
		m.files[filepath.ToSlash(rel)] = text
		return err
	})
	if err != nil {
		return fmt.Errorf("read module %s: %w", m.Path, err)
	}
	return nil
}

func leftOut(dir, base string) bool {
	if base == "vendor" || base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// marked returns the files that have a marker, sorted.
func (m *Module) marked(mark Marker) []string {
	var found []string
	for name, text := range m.files {
		if _, ok := lineOf(text, mark); ok {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// lineOf finds the line of a marker, from 0.
func lineOf(text []byte, mark Marker) (int, bool) {
	n := 0
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte(mark))
		if ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == ':') {
			return n, true
		}
		n++
	}
	return 0, false
}

// program finds the file that puts the program together, empty when none has a marker. app chooses where several have.
func (m *Module) program(app string) (string, error) {
	var found []string
	for _, mark := range []Marker{MarkProvide, MarkRoutes, MarkUse} {
		for _, name := range m.marked(mark) {
			if !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	if app != "" {
		all := found
		found = slices.DeleteFunc(slices.Clone(found), func(name string) bool { return path.Base(path.Dir(name)) != app })
		if len(found) == 0 {
			return "", fmt.Errorf("--app %s: no program of that name has %s; these do: %s", app, MarkRoutes, orNone(all))
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	default:
		return "", fmt.Errorf("several files have %s: %s; choose a program with --app NAME", MarkRoutes, strings.Join(found, ", "))
	}
}

// home finds the package that things are generated into: the one that is named, or has the marker.
func (m *Module) home(chosen string) (string, error) {
	if chosen != "" {
		dir := path.Clean(strings.TrimPrefix(filepath.ToSlash(chosen), "./"))
		if path.IsAbs(dir) || dir == ".." || strings.HasPrefix(dir, "../") {
			return "", fmt.Errorf("--package %s: want a folder of the module, relative to %s", chosen, m.Root)
		}
		return dir, nil
	}
	var dirs []string
	for _, name := range m.marked(MarkDeclare) {
		if dir := path.Dir(name); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	if slices.Contains(dirs, m.Dir) {
		return m.Dir, nil
	}
	switch len(dirs) {
	case 1:
		return dirs[0], nil
	case 0:
		return "", fmt.Errorf("no file of module %s has the line %q, which tells the package: name one, as in --package internal/orders",
			m.Path, string(MarkDeclare))
	default:
		return "", fmt.Errorf("several packages have the line %q: %s; choose one with --package, or change into its folder",
			string(MarkDeclare), strings.Join(dirs, ", "))
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
