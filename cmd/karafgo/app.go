package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	frameworkPath = "github.com/karafgo/karafgo/framework"
	commandPath   = "github.com/karafgo/karafgo/cmd/karafgo"
)

// app is a program of the module of a folder.
type app struct {
	root   string // of the module
	pkg    string // below root, as ./cmd/orders
	binary string // where build puts it
}

// name is what people call the program.
func (a *app) name() string {
	if a.pkg == "." {
		return filepath.Base(a.root)
	}
	return filepath.Base(a.pkg)
}

// findApp finds the program that is meant by name, a folder of cmd/ or a path, or the only one there is when name is empty, in the module
// that holds dir.
func findApp(dir, name string) (*app, error) {
	root, err := moduleRoot(dir)
	if err != nil {
		return nil, err
	}
	a := &app{root: root}
	switch {
	case name == "":
		a.pkg, err = onlyProgram(root)
	case strings.ContainsAny(name, `/\`) || name == ".":
		a.pkg, err = programAt(root, dir, name)
	default:
		a.pkg, err = programOf(root, name)
	}
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil { // nobody's home
		cache = os.TempDir()
	}
	place := sha256.Sum256([]byte(filepath.Join(root, a.pkg)))
	const enough = 8 // bytes, so that two folders do not share a binary
	a.binary = filepath.Join(cache, "karafgo", "apps", hex.EncodeToString(place[:enough]), a.name()+exeSuffix)
	return a, nil
}

var errNoModule = errors.New("there is no go.mod in this folder or above it: go to the folder of an app, or make one with karafgo new")

func moduleRoot(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		if info, err := os.Stat(filepath.Join(at, "go.mod")); err == nil && !info.IsDir() {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", errNoModule
		}
	}
}

// program is a main package.
type program struct {
	pkg string
	// runs is true when it imports the framework itself. What wraps the framework does not.
	runs bool
}

// programs are those of cmd/, or that of the module's own folder.
func programs(root string) ([]program, error) {
	entries, err := os.ReadDir(filepath.Join(root, "cmd"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for programs: %w", err)
	}
	var found []program
	for _, e := range entries {
		pkg := "./cmd/" + e.Name()
		if main, runs := mainPackage(filepath.Join(root, pkg)); main {
			found = append(found, program{pkg, runs})
		}
	}
	if main, runs := mainPackage(root); main && len(found) == 0 {
		found = append(found, program{".", runs})
	}
	return found, nil
}

// mainPackage looks at what a folder's files say of themselves; whether they compile is the compiler's business.
func mainPackage(dir string) (isMain, runs bool) {
	pkg, _ := build.ImportDir(dir, 0) // what it finds in spite of mistakes is enough
	return pkg.Name == "main", slices.Contains(pkg.Imports, frameworkPath)
}

func onlyProgram(root string) (string, error) {
	found, err := programs(root)
	if err != nil {
		return "", err
	}
	candidates := slices.DeleteFunc(slices.Clone(found), func(p program) bool { return !p.runs })
	if len(candidates) == 0 {
		candidates = found
	}
	switch len(candidates) {
	case 0:
		return "", fmt.Errorf("%s has no program in cmd/: name its folder with --app ./FOLDER, or make an app with karafgo new", root)
	case 1:
		return candidates[0].pkg, nil
	default:
		return "", fmt.Errorf("cmd/ has several programs, %s: choose one, such as --app %s",
			names(candidates), filepath.Base(candidates[0].pkg))
	}
}

func programOf(root, name string) (string, error) {
	pkg := "./cmd/" + name
	if isMain, _ := mainPackage(filepath.Join(root, pkg)); isMain {
		return pkg, nil
	}
	found, err := programs(root)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("--app %s: %s has no program in cmd/: name its folder, as --app ./FOLDER", name, root)
	}
	return "", fmt.Errorf("--app %s: there is no such program in cmd/ of %s: want %s, or a folder, as ./FOLDER", name, root, names(found))
}

// programAt is a program in a folder, given relative to dir.
func programAt(root, dir, path string) (string, error) {
	at := path
	if !filepath.IsAbs(at) {
		at = filepath.Join(dir, path)
	}
	rel, err := filepath.Rel(root, at)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", fmt.Errorf("--app %s: is outside of the module %s", path, root)
	}
	if isMain, _ := mainPackage(at); !isMain {
		return "", fmt.Errorf("--app %s: has no Go files of package main", path)
	}
	if rel == "." {
		return ".", nil
	}
	return "./" + filepath.ToSlash(rel), nil
}

func names(all []program) string {
	list := make([]string, len(all))
	for i, p := range all {
		list[i] = filepath.Base(p.pkg)
	}
	return strings.Join(list, ", ")
}

// compileError is what the compiler says.
type compileError struct {
	app    *app
	output []byte
}

func (e *compileError) Error() string { return e.app.pkg + " does not compile" }

// lines are those of the compiler, without that which only names the package.
func (e *compileError) lines() (list []string) {
	s := bufio.NewScanner(bytes.NewReader(e.output))
	s.Buffer(nil, len(e.output)+1)
	for s.Scan() {
		if line := s.Text(); !strings.HasPrefix(line, "# ") {
			list = append(list, line)
		}
	}
	return list
}

// build compiles the program. What has not changed is not linked again, so that a second time takes a moment.
func (a *app) build(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(a.binary), 0o750); err != nil {
		return fmt.Errorf("build %s: %w", a.pkg, err)
	}
	temporary, err := os.MkdirTemp(filepath.Dir(a.binary), "build-*") // the go command leaves its own when it is interrupted
	if err != nil {
		return fmt.Errorf("build %s: %w", a.pkg, err)
	}
	defer os.RemoveAll(temporary) //nolint:errcheck // a cache
	// No stamp of the version control system: every commit would link anew.
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", a.binary, a.pkg) //nolint:gosec // what the user asks for
	cmd.Dir, cmd.Env = a.root, append(os.Environ(), "GOTMPDIR="+temporary)
	group(cmd)
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = afterKill
	output, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx) //nolint:wrapcheck // why it was given up
	case errors.As(err, &failed):
		return &compileError{a, output}
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("build %s: there is no go command in PATH: install Go, see https://go.dev/doc/install", a.pkg)
	case err != nil:
		return fmt.Errorf("build %s: %w", a.pkg, err)
	}
	if info, err := buildinfo.ReadFile(a.binary); err == nil && info.Path == commandPath {
		return fmt.Errorf("%s is the karafgo command, not an app: name the folder of an app with --app ./FOLDER", a.pkg)
	}
	return nil
}
