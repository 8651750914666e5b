package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Action is what is done to a file.
type Action string

// The actions of a plan.
const (
	Make   Action = "create"
	Change Action = "change"
	// Keep is for what is there already.
	Keep Action = "keep"
)

// Step is what is done to one file.
type Step struct {
	// Path has slashes and is relative to the module's folder.
	Path   string
	Action Action
	// Added is what a changed file gets, in short.
	Added []string

	before, after []byte
}

// ByHand is what has no marker to go to, so that the user has to add it.
type ByHand struct {
	// Where says where it belongs.
	Where string
	Line  string
}

// Plan is what generating does. Nothing is written before Apply.
type Plan struct {
	// Steps are in the order in which they are told.
	Steps []*Step
	// ByHand is what remains to do.
	ByHand []ByHand

	m *Module
}

// Nothing reports whether everything is there already.
func (p *Plan) Nothing() bool {
	for _, s := range p.Steps {
		if s.Action != Keep {
			return false
		}
	}
	return len(p.ByHand) == 0
}

// step is the one about a file, with its text so far; of a file that does not exist that is nil.
func (p *Plan) step(name string) (*Step, error) {
	for _, s := range p.Steps {
		if s.Path == name {
			return s, nil
		}
	}
	text, err := os.ReadFile(p.m.file(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", name, cause(err))
	}
	s := &Step{Path: name, Action: Keep, before: text, after: text}
	p.Steps = append(p.Steps, s)
	return s, nil
}

// create makes a file, or finds it as it would be.
func (p *Plan) create(name string, text []byte) error {
	s, err := p.step(name)
	if err != nil {
		return err
	}
	if s.before == nil {
		s.Action, s.after = Make, text
		return nil
	}
	if !bytes.Equal(s.before, text) {
		return fmt.Errorf("%s exists and is not as it would be written, so nothing was: choose another name, or remove the file", name)
	}
	return nil
}

// edit changes a file, or makes it.
func (p *Plan) edit(name, added string, change func(text []byte) ([]byte, error)) error {
	s, err := p.step(name)
	if err != nil {
		return err
	}
	after, err := change(s.after)
	if err == nil {
		after, err = settle(s.before, after)
	}
	if err != nil {
		return fmt.Errorf("change %s: %w", name, err)
	}
	s.Action, s.after = Change, after
	if s.before == nil {
		s.Action = Make
	}
	s.Added = append(s.Added, added)
	return nil
}

// mark adds a line above a marker of a file, and leaves it to the user where there is none.
func (p *Plan) mark(name string, mark Marker, line, where string) error {
	if name != "" {
		s, err := p.step(name)
		if err != nil {
			return err
		}
		where += " in " + name
		if _, ok := lineOf(s.after, mark); ok {
			return p.edit(name, line, func(text []byte) ([]byte, error) {
				text, _ = insert(text, mark, line)
				return text, nil
			})
		}
	}
	p.ByHand = append(p.ByHand, ByHand{Where: where, Line: line})
	return nil
}

func (m *Module) file(name string) string { return filepath.Join(m.Root, filepath.FromSlash(name)) }

// Apply writes what is planned. When something fails, everything is as before.
func (p *Plan) Apply() error {
	made := &making{}
	var changed []*Step
	err := func() error {
		for _, s := range p.Steps {
			name := p.m.file(s.Path)
			switch s.Action {
			case Make:
				if err := made.folder(p.m.file(path.Dir(s.Path))); err != nil {
					return err
				}
				if err := made.file(name, s.after); err != nil {
					return err
				}
			case Change:
				changed = append(changed, s)
				if err := os.WriteFile(name, s.after, fileMode); err != nil {
					return fmt.Errorf("write %s: %w", s.Path, cause(err))
				}
			case Keep:
			}
		}
		return nil
	}()
	if err == nil {
		return nil
	}
	err = errors.Join(err, made.undo())
	for _, s := range changed {
		if back := os.WriteFile(p.m.file(s.Path), s.before, fileMode); back != nil && !errors.Is(back, fs.ErrPermission) {
			err = errors.Join(err, fmt.Errorf("write %s as it was: %w", s.Path, cause(back)))
		}
	}
	return err
}
