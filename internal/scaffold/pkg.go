package scaffold

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// pkg is what is known about a package that is generated into.
type pkg struct {
	dir, name string
	fset      *token.FileSet
	files     map[string]*ast.File
	consts    map[string]string
	// decls are where names are declared.
	decls map[string]token.Pos
	// structs are the types that are structs.
	structs map[string]bool
}

// load parses the package in dir. It may not exist yet.
func (m *Module) load(dir string) (*pkg, error) {
	p := &pkg{
		dir: dir, fset: token.NewFileSet(), files: map[string]*ast.File{},
		consts: map[string]string{}, decls: map[string]token.Pos{}, structs: map[string]bool{},
	}
	for name, text := range m.files {
		if path.Dir(name) != dir {
			continue
		}
		f, err := parser.ParseFile(p.fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("read package %s: %w; mend it first", dir, err)
		}
		p.files[name] = f
		p.name = f.Name.Name
		for _, d := range f.Decls {
			p.declared(d)
		}
	}
	if p.name == "" {
		p.name = packageName(m.Path, dir)
	}
	if !token.IsIdentifier(p.name) {
		return nil, fmt.Errorf("--package %s: %q is no name of a package", dir, p.name)
	}
	return p, nil
}

// packageName is that of a package which has no file yet.
func packageName(module, dir string) string {
	if dir == "." {
		dir = module
	}
	return strings.ToLower(strings.ReplaceAll(path.Base(dir), "-", ""))
}

func (p *pkg) declared(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			p.decls[d.Name.Name] = d.Pos()
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				p.decls[spec.Name.Name] = spec.Pos()
				_, p.structs[spec.Name.Name] = spec.Type.(*ast.StructType)
			case *ast.ValueSpec:
				for i, name := range spec.Names {
					p.decls[name.Name] = name.Pos()
					if i < len(spec.Values) {
						if text, ok := literal(spec.Values[i]); ok && d.Tok == token.CONST {
							p.consts[name.Name] = text
						}
					}
				}
			}
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// text is the value of a constant expression: a literal, or a constant of the package.
func (p *pkg) text(e ast.Expr) (string, bool) {
	if id, ok := e.(*ast.Ident); ok {
		text, ok := p.consts[id.Name]
		return text, ok
	}
	return literal(e)
}

// at says where something stands.
func (p *pkg) at(pos token.Pos) string {
	where := p.fset.Position(pos)
	return fmt.Sprintf("%s:%d", where.Filename, where.Line)
}

// topicVar is a variable of the package that declares a topic for responders.
type topicVar struct {
	Var, Name string
	// Payload is the type of its values.
	Payload string
	// New says that the type is declared with it.
	New bool

	maker string // JSONTopic, NewTopic or NewKeyedTopic
	pos   token.Pos
}

// topics are the topic variables of the package, in the order of their names.
func (p *pkg) topics() []topicVar {
	var found []topicVar
	for _, f := range p.files {
		for _, d := range f.Decls {
			values, ok := d.(*ast.GenDecl)
			if !ok || values.Tok != token.VAR {
				continue
			}
			for _, spec := range values.Specs {
				value := spec.(*ast.ValueSpec) //nolint:forcetypeassert // of a GenDecl with VAR
				for i, name := range value.Names {
					if i < len(value.Values) {
						if t, ok := p.topic(value.Values[i]); ok {
							t.Var, t.pos = name.Name, name.Pos()
							found = append(found, t)
						}
					}
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b topicVar) int { return strings.Compare(a.Var, b.Var) })
	return found
}

// topic understands responder.JSONTopic[Order]("orders.created").
func (p *pkg) topic(e ast.Expr) (topicVar, bool) {
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return topicVar{}, false
	}
	name, ok := p.text(call.Args[0])
	if !ok {
		return topicVar{}, false
	}
	t := topicVar{Name: name}
	fun := call.Fun
	switch generic := fun.(type) {
	case *ast.IndexExpr:
		fun = generic.X
		if id, ok := generic.Index.(*ast.Ident); ok {
			t.Payload = id.Name
		}
	case *ast.IndexListExpr:
		fun = generic.X
	}
	of, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return topicVar{}, false
	}
	from, ok := of.X.(*ast.Ident)
	t.maker = of.Sel.Name
	return t, ok && from.Name == responder && slices.Contains([]string{"JSONTopic", "NewTopic", "NewKeyedTopic"}, t.maker)
}

// declares finds a call of Declare for a topic, in any package of the module.
func (m *Module) declares(topic topicVar, home *pkg) (string, bool) {
	for name, text := range m.files {
		f, p := home.files[name], home
		if f == nil {
			p = &pkg{fset: token.NewFileSet()}
			parsed, err := parser.ParseFile(p.fset, name, text, parser.SkipObjectResolution)
			if err != nil {
				continue // of another package, which does not concern this
			}
			f = parsed
		}
		var found token.Pos
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			of, ok := call.Fun.(*ast.SelectorExpr)
			if ok && of.Sel.Name == "Declare" && names(p, call.Args[0], topic) {
				found = call.Pos()
			}
			return true
		})
		if found.IsValid() {
			return p.at(found), true
		}
	}
	return "", false
}

// names reports whether an expression is the name of a topic: its text, or Var.Name().
func names(p *pkg, e ast.Expr, topic topicVar) bool {
	if text, ok := p.text(e); ok {
		return text == topic.Name
	}
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	of, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || of.Sel.Name != "Name" {
		return false
	}
	switch x := of.X.(type) {
	case *ast.Ident:
		return x.Name == topic.Var
	case *ast.SelectorExpr:
		return x.Sel.Name == topic.Var
	default:
		return false
	}
}
