package scaffold

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// insert puts a line above a marker, indented like it.
func insert(text []byte, mark Marker, line string) ([]byte, bool) {
	at, ok := lineOf(text, mark)
	if !ok {
		return text, false
	}
	var out bytes.Buffer
	n := 0
	for have := range bytes.Lines(text) {
		if n == at {
			indent := have[:len(have)-len(bytes.TrimLeft(have, " \t"))]
			fmt.Fprintf(&out, "%s%s\n", indent, line)
		}
		out.Write(have)
		n++
	}
	return out.Bytes(), true
}

// extend puts declarations at the end of a file, and imports what they need.
func extend(text, declarations []byte, imports ...string) ([]byte, error) {
	var err error
	for _, path := range imports {
		if text, err = addImport(text, path); err != nil {
			return nil, err
		}
	}
	return append(append(bytes.TrimRight(text, "\n"), "\n\n"...), declarations...), nil
}

// addImport adds an import beside those of its kind, and leaves everything else as it is.
func addImport(text []byte, path string) ([]byte, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "", text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return nil, err
	}
	line := fmt.Sprintf("\t%q\n", path)
	at, closing := -1, -1 // behind the last import of its kind, and at the end of the imports
	for _, decl := range f.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range d.Specs {
			spec := s.(*ast.ImportSpec) //nolint:forcetypeassert // nothing else was parsed
			have, err := strconv.Unquote(spec.Path.Value)
			if err == nil && have == path {
				return text, nil
			}
			if d.Rparen.IsValid() && kindOf(have) == kindOf(path) {
				at = fset.Position(spec.End()).Offset
			}
		}
		if d.Rparen.IsValid() {
			closing = fset.Position(d.Rparen).Offset
		}
	}
	switch {
	case at >= 0:
		at += bytes.IndexByte(text[at:], '\n') + 1
	case closing >= 0:
		at, line = closing, "\n"+line
	default:
		at = fset.Position(f.Name.End()).Offset
		if end := bytes.IndexByte(text[at:], '\n'); end >= 0 { // behind a comment
			at += end
		} else {
			at = len(text)
		}
		line = "\n\nimport (\n" + line + ")"
	}
	return bytes.Join([][]byte{text[:at], text[at:]}, []byte(line)), nil
}

// kindOf sorts imports as gofmt's users do: the standard library, karafgo, and all others.
func kindOf(path string) int {
	first, _, _ := strings.Cut(path, "/")
	switch {
	case !strings.Contains(first, "."):
		return 0
	case strings.HasPrefix(path, ModulePath+"/"):
		return 1
	default:
		return 2 //nolint:mnd // the third
	}
}

// settle formats a file that was changed, if it was formatted before, and finds out that it still parses.
func settle(before, after []byte) ([]byte, error) {
	formatted, err := format.Source(after)
	if err != nil {
		return nil, fmt.Errorf("what is added does not fit there: %w; move the comments that begin with karafgo: to where they belong", err)
	}
	if was, err := format.Source(before); before == nil || err == nil && bytes.Equal(was, before) {
		return formatted, nil
	}
	return after, nil
}
