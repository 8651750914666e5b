package scaffold

import (
	"fmt"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Place says where things are generated into, when the markers do not tell.
type Place struct {
	// Package is the folder of a package, relative to the module's. Defaults to the one with [MarkDeclare].
	Package string
	// App is the name of a program of the module. It is needed where there is more than one.
	App string
}

// Consumer is a handler, or a responder, to be generated.
type Consumer struct {
	Place

	// Name is of words, as in ship-order.
	Name string
	// Topic is what it consumes. Defaults to Name.
	Topic string
	// To is what a responder writes to; empty for a handler.
	To string
	// Batch consumes batches.
	Batch bool
}

// Middleware is middleware to be generated.
type Middleware struct {
	Place

	Name string
}

// Kinds of what is generated: the names of their templates, and of the commands.
const (
	handler    = "handler"
	responder  = "responder"
	middleware = "middleware"
)

// generator is one run.
type generator struct {
	*Plan

	pkg *pkg
	// program is the file that puts the program together, empty when it is not known.
	program string
	taken   []string
}

func (m *Module) generator(place Place) (*generator, error) {
	dir, err := m.home(place.Package)
	if err != nil {
		return nil, err
	}
	p, err := m.load(dir)
	if err != nil {
		return nil, err
	}
	return &generator{Plan: &Plan{m: m}, pkg: p}, nil
}

// putTogether is a generator for what the program is put together of.
func (m *Module) putTogether(place Place) (*generator, error) {
	g, err := m.generator(place)
	if err != nil {
		return nil, err
	}
	if g.program, err = m.program(place.App); err != nil {
		return nil, err
	}
	if g.pkg.name == "main" && g.program != "" && path.Dir(g.program) != g.pkg.dir {
		return nil, fmt.Errorf("package %s is a program itself, so %s cannot import it: name another one with --package",
			g.pkg.dir, g.program)
	}
	return g, nil
}

// prefix is that of consumer groups: the name of the program.
func (g *generator) prefix() string {
	if dir := path.Dir(g.program); g.program != "" && dir != "." {
		return path.Base(dir)
	}
	return path.Base(g.m.Path)
}

// consumes is what the templates of handlers and responders are filled with.
type consumes struct {
	Package, Type, Words, Group string
	Topic, To                   topicVar
	Batch                       bool
}

// Consumer plans a handler or a responder, with its route and its test.
func (m *Module) Consumer(c Consumer) (*Plan, error) {
	kind := handler
	if c.To != "" {
		kind = responder
	}
	named, err := words(kind, c.Name)
	if err != nil {
		return nil, err
	}
	kebab := strings.Join(named, "-")
	if c.Topic == "" {
		c.Topic = kebab
	}
	if c.Topic == c.To {
		return nil, fmt.Errorf("topic %s is read and written, so records would go round for ever: choose another one with --to", c.To)
	}
	g, err := m.putTogether(c.Place)
	if err != nil {
		return nil, err
	}
	data := consumes{
		Package: g.pkg.name, Type: camel(named), Words: strings.Join(named, " "),
		Group: g.prefix() + "." + kebab, Batch: c.Batch,
	}
	base := path.Join(g.pkg.dir, fileName(named))
	if err := g.code(kind, base, &data, []string{data.Type, "New" + data.Type}, func() error {
		if err := g.sample(c.Topic, &data.Topic); err != nil {
			return err
		}
		if kind == responder {
			return g.output(c.To, &data.To)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if err := g.route(kind, data); err != nil {
		return nil, err
	}
	if err := g.wire(MarkProvide, "New"+data.Type, "", "among the parameters of fx.Provide"); err != nil {
		return nil, err
	}
	return g.Plan, g.wire(MarkRoutes, data.Type+"Routes", "", "among the parameters of framework.Routes")
}

// code creates a Go file and its test. topics finds out what they are about, and is called when the names are known to be free.
func (g *generator) code(kind, base string, data any, own []string, topics func() error) error {
	for _, name := range own {
		if pos, ok := g.pkg.decls[name]; ok && g.pkg.fset.Position(pos).Filename != base+".go" {
			return fmt.Errorf("%s is declared already, at %s: choose another name", name, g.pkg.at(pos))
		}
	}
	g.taken = own
	// Told first, and with texts that depend on what topics finds.
	for _, end := range []string{".go", "_test.go"} {
		if _, err := g.step(base + end); err != nil {
			return err
		}
	}
	if topics != nil {
		if err := topics(); err != nil {
			return err
		}
	}
	for _, end := range []string{".go", "_test.go"} {
		text, err := source(path.Join(generateTemplates, kind+end+suffix), data)
		if err == nil {
			err = g.create(base+end, text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// route adds the function that draws the route.
func (g *generator) route(kind string, data consumes) error {
	name := data.Type + "Routes"
	file := path.Join(g.pkg.dir, "routes.go")
	if pos, ok := g.pkg.decls[name]; ok {
		_, err := g.step(g.pkg.fset.Position(pos).Filename)
		return err
	}
	text, err := execute(path.Join(generateTemplates, kind+"_routes.go"+suffix), data)
	if err != nil {
		return err
	}
	needs := []string{"time", ModulePath + "/router", ModulePath + "/consumer"}
	if kind == responder {
		needs[2] = ModulePath + "/responder"
	}
	return g.declare(file, "func "+name, text, needs...)
}

// declare adds declarations to a file of the package, which is made when there is none.
func (g *generator) declare(file, added string, text []byte, imports ...string) error {
	return g.edit(file, added, func(have []byte) ([]byte, error) {
		if have == nil {
			have = []byte("package " + g.pkg.name + "\n")
		}
		return extend(have, text, imports...)
	})
}

// wire names something of the package where the program is put together, with what follows the name.
func (g *generator) wire(mark Marker, name, call, where string) error {
	line := name + call + ","
	if g.program == "" {
		return g.mark("", mark, g.pkg.name+"."+line, where)
	}
	s, err := g.step(g.program)
	if err != nil {
		return err
	}
	if path.Dir(g.program) != g.pkg.dir {
		as, imported, err := importedAs(s.after, path.Join(g.m.Path, g.pkg.dir), g.pkg.name)
		if err != nil {
			return fmt.Errorf("read %s: %w", g.program, err)
		}
		line, name = as+"."+line, as+"."+name
		if _, marked := lineOf(s.after, mark); !imported && marked && !mentions(s.after, name) {
			if err := g.edit(g.program, strconv.Quote(path.Join(g.m.Path, g.pkg.dir)), func(text []byte) ([]byte, error) {
				return addImport(text, path.Join(g.m.Path, g.pkg.dir))
			}); err != nil {
				return err
			}
		}
	}
	if mentions(s.after, name) {
		return nil
	}
	return g.mark(g.program, mark, line, where)
}

// mentions reports whether a text has a name, as a word.
func mentions(text []byte, name string) bool {
	return regexp.MustCompile(`(^|[^\w.])` + regexp.QuoteMeta(name) + `\b`).Match(text)
}

// importedAs is the name by which a file has a package, or would have it.
func importedAs(text []byte, importPath, name string) (as string, imported bool, err error) {
	f, err := parser.ParseFile(token.NewFileSet(), "", text, parser.ImportsOnly)
	if err != nil {
		return "", false, err
	}
	for _, spec := range f.Imports {
		if have, err := strconv.Unquote(spec.Path.Value); err == nil && have == importPath {
			if spec.Name != nil {
				return spec.Name.Name, true, nil
			}
			return name, true, nil
		}
	}
	return name, false, nil
}

// Middleware plans middleware for all routes of the program, with its test.
func (m *Module) Middleware(w Middleware) (*Plan, error) {
	named, err := words(middleware, w.Name)
	if err != nil {
		return nil, err
	}
	g, err := m.putTogether(w.Place)
	if err != nil {
		return nil, err
	}
	data := struct{ Package, Type string }{g.pkg.name, camel(named)}
	if err := g.code(middleware, path.Join(g.pkg.dir, fileName(named)), data, []string{data.Type}, nil); err != nil {
		return nil, err
	}
	return g.Plan, g.wire(MarkUse, data.Type, "()", "among the parameters of framework.Use")
}
