package scaffold

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What is made is sources: whoever may read the folder may read them. The umask takes away what it takes away from every file.
const (
	dirMode  = 0o777
	fileMode = 0o666
)

// CheckFolder finds out whether a program can be made in dir, which must not exist or be empty.
func CheckFolder(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at folder %s: %w", dir, cause(err))
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is a file: choose another folder with --dir", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look at folder %s: %w", dir, cause(err))
	}
	if len(entries) == 0 {
		return nil
	}
	first := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), ".") })
	more := ""
	if len(entries) > 1 {
		more = fmt.Sprintf(" and %d more", len(entries)-1)
	}
	return fmt.Errorf("folder %s is not empty, it has %s%s, and nothing is overwritten: choose another folder with --dir",
		dir, entries[max(first, 0)].Name(), more)
}

// Create writes files below dir, which must not exist or be empty, and then calls finish, which may write go.sum. When something fails,
// what was made is taken away again.
func Create(dir string, files []File, finish func() error) (err error) {
	if err := CheckFolder(dir); err != nil {
		return err
	}
	m := &making{}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.undo())
		}
	}()
	if err := m.folder(dir); err != nil {
		return err
	}
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := m.folder(filepath.Dir(name)); err != nil {
			return err
		}
		if err := m.file(name, f.Data); err != nil {
			return err
		}
	}
	m.made = append(m.made, filepath.Join(dir, "go.sum"))
	return finish()
}

// making remembers what was made, in order.
type making struct{ made []string }

func (m *making) folder(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := m.folder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, dirMode); err != nil {
		return fmt.Errorf("make folder %s: %w", dir, cause(err))
	}
	m.made = append(m.made, dir)
	return nil
}

// file makes a file that must not exist.
func (m *making) file(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, cause(err))
	}
	m.made = append(m.made, name)
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// undo takes away what was made, the last first. A folder in which somebody else has put something meanwhile stays.
func (m *making) undo() error {
	var left []string
	for _, name := range slices.Backward(m.made) {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("these could not be removed again: %s", strings.Join(left, ", "))
	}
	return nil
}

// cause leaves out the path, which stands in the sentence already, and adds a remedy where there is one.
func cause(err error) error {
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		err = wrong.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: you may not write there, choose another folder", err)
	}
	return err
}
