package scaffold

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// ModulePath is the path of karafgo's own module.
const ModulePath = "github.com/karafgo/karafgo"

// goVersion is that of programs which take karafgo from a release: what karafgo itself needs.
const goVersion = "1.26.0"

// App is a program to be made.
type App struct {
	// Name is that of its folder below cmd, of its binary, and the beginning of its consumer groups.
	Name string
	// Module is the path of its module. Defaults to Name.
	Module string
	// Framework is where karafgo comes from.
	Framework Framework
}

// Framework is where a program takes karafgo from: a version that was released, or the folder of a checkout.
type Framework struct {
	Version  string
	Checkout string
}

// Check finds mistakes in what somebody typed.
func (a App) Check() error {
	if err := checkName(a.Name); err != nil {
		return err
	}
	if a.Module == "" {
		return nil
	}
	return checkModule(a.Module)
}

func checkModule(path string) error {
	err := module.CheckImportPath(path)
	if wrong, ok := errors.AsType[*module.InvalidPathError](err); ok {
		err = wrong.Err
	}
	if err == nil {
		if _, _, ok := module.SplitPathVersion(path); !ok {
			err = errors.New("a major version at its end must be v2 or higher")
		}
	}
	if err == nil && slices.Contains(strings.Split(path, "/"), "vendor") {
		err = errors.New("vendor is what Go calls copies of other modules")
	}
	if err == nil && (path == ModulePath || strings.HasPrefix(path, ModulePath+"/")) {
		err = errors.New("it is karafgo's own")
	}
	if err != nil {
		return fmt.Errorf("--module %s is no path of a module: %w; want one such as github.com/you/shop", path, err)
	}
	return nil
}

// Files are all files of the program. With karafgo from a checkout, go.mod and go.sum name everything that is needed, so that it can be
// built without a network, and somewhat more: `go mod tidy` takes that away. With karafgo from a release they name karafgo alone, and
// `go mod tidy` has to add what is needed.
func (a App) Files() ([]File, error) {
	if a.Module == "" {
		a.Module = a.Name
	}
	mod, sum, err := a.requirements()
	if err != nil {
		return nil, err
	}
	files, err := appFiles(a.Name, struct{ Name, Module, Go, Replace string }{
		Name: a.Name, Module: a.Module, Replace: a.Framework.Checkout,
		Go: strings.Join(strings.SplitN(mod.Go.Version, ".", 3)[:2], "."), //nolint:mnd // major and minor
	})
	if err != nil {
		return nil, err
	}
	text, err := mod.Format()
	if err != nil {
		return nil, fmt.Errorf("format go.mod: %w", err)
	}
	files = append(files, File{Path: "go.mod", Data: text})
	if sum != nil {
		files = append(files, File{Path: "go.sum", Data: sum})
	}
	return files, nil
}

// requirements are go.mod and go.sum.
func (a App) requirements() (*modfile.File, []byte, error) {
	mod := new(modfile.File)
	if err := mod.AddModuleStmt(a.Module); err != nil {
		return nil, nil, fmt.Errorf("write go.mod: %w", err)
	}
	if a.Framework.Checkout == "" {
		err := mod.AddGoStmt(goVersion)
		mod.AddNewRequire(ModulePath, a.Framework.Version, false)
		return mod, nil, errors.Join(err, mod.AddTool(ModulePath+"/cmd/karafgo"))
	}
	own, err := readCheckout(a.Framework.Checkout)
	if err != nil {
		return nil, nil, err
	}
	sum, err := os.ReadFile(filepath.Join(a.Framework.Checkout, "go.sum"))
	if err != nil {
		return nil, nil, fmt.Errorf("read what karafgo needs: %w", err)
	}
	requires := []*modfile.Require{{Mod: module.Version{Path: ModulePath, Version: "v0.0.0"}}}
	for _, r := range own.Require {
		requires = append(requires, &modfile.Require{Mod: r.Mod, Indirect: r.Mod.Path != "go.uber.org/fx"})
	}
	if err := mod.AddGoStmt(own.Go.Version); err != nil {
		return nil, nil, fmt.Errorf("write go.mod: %w", err)
	}
	mod.SetRequireSeparateIndirect(requires)
	err = errors.Join(
		mod.AddTool(ModulePath+"/cmd/karafgo"),
		mod.AddReplace(ModulePath, "", a.Framework.Checkout, ""),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("write go.mod: %w", err)
	}
	mod.Cleanup()
	return mod, sum, nil
}

// readCheckout reads the go.mod of a checkout of karafgo, and finds out whether it is one.
func readCheckout(dir string) (*modfile.File, error) {
	name := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no checkout of karafgo: it has no go.mod", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read the checkout of karafgo: %w", err)
	}
	mod, err := modfile.Parse(name, text, nil)
	if err != nil {
		return nil, fmt.Errorf("read the checkout of karafgo: %w", err)
	}
	if mod.Module == nil || mod.Module.Mod.Path != ModulePath || mod.Go == nil {
		return nil, fmt.Errorf("%s is no checkout of karafgo: its go.mod is not that of module %s", dir, ModulePath)
	}
	return mod, nil
}

// CheckCheckout finds out whether dir is a checkout of karafgo.
func CheckCheckout(dir string) error {
	_, err := readCheckout(dir)
	return err
}
