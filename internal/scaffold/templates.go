package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"io/fs"
	"path"
	"strings"
	"text/template"
)

// Templates are delimited by [[ and ]], because workflows of GitHub have braces of their own.
//
//go:embed all:templates
var templates embed.FS

const (
	appTemplates      = "templates/app"
	generateTemplates = "templates/generate"
	suffix            = ".tmpl"
	// nameElement is the element of a template's path that becomes the name of the program.
	nameElement = "NAME"
)

// File is a file of a program. Its path has slashes, and is relative to the program's folder.
type File struct {
	Path string
	Data []byte
}

func execute(name string, data any) ([]byte, error) {
	text, err := templates.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	t, err := template.New(path.Base(name)).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("parse template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("fill template %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// source fills a template of a whole Go file.
func source(name string, data any) ([]byte, error) {
	text, err := execute(name, data)
	if err != nil {
		return nil, err
	}
	formatted, err := format.Source(text)
	if err != nil {
		return nil, fmt.Errorf("format what %s makes: %w", name, err)
	}
	return formatted, nil
}

// appFiles fills all templates of a program.
func appFiles(name string, data any) ([]File, error) {
	var files []File
	err := fs.WalkDir(templates, appTemplates, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f := File{Path: strings.TrimSuffix(strings.TrimPrefix(file, appTemplates+"/"), suffix)}
		f.Path = strings.ReplaceAll(f.Path, nameElement, name)
		fill := execute
		if strings.HasSuffix(f.Path, ".go") {
			fill = source
		}
		f.Data, err = fill(file, data)
		files = append(files, f)
		return err
	})
	return files, err
}
