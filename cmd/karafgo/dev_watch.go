package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long nothing must have changed: an editor writes a file in several steps, and git many files.
const settle = 150 * time.Millisecond

// change is what has changed since the last one.
type change struct {
	code    bool
	samples []string
}

// watcher tells what changes below the root of a module.
type watcher struct {
	root    string
	inside  *fsnotify.Watcher
	changes chan change
	closing chan struct{}
	ended   sync.WaitGroup
}

// watch begins to look. Nothing that changes afterwards is missed.
func watch(root string) (*watcher, error) {
	inside, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, explainWatch(root, err)
	}
	w := &watcher{root: root, inside: inside, changes: make(chan change), closing: make(chan struct{})}
	if _, err := w.add(root); err != nil {
		_ = inside.Close() // nothing was written
		return nil, explainWatch(root, err)
	}
	w.ended.Go(w.run)
	return w, nil
}

func explainWatch(root string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("watch %s: %w: this system watches no more folders: raise fs.inotify.max_user_watches and max_user_instances, "+
			"or stop other programs that watch", root, err)
	}
	return fmt.Errorf("watch %s: %w", root, err)
}

func (w *watcher) close() {
	close(w.closing)
	w.ended.Wait()
	_ = w.inside.Close() // nothing was written
}

// add watches a folder and what is below it, and returns the files that are there already.
func (w *watcher) add(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if path == w.root {
				return err
			}
			return nil // gone again, or not ours to read
		}
		if !d.IsDir() {
			files = append(files, path)
			return nil
		}
		if path != w.root && w.ignored(path) {
			return filepath.SkipDir
		}
		if err := w.inside.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil
	})
	return files, err //nolint:wrapcheck // by explainWatch
}

// ignored folders hold nothing that the program is built of: what the go command leaves out, and other modules.
func (w *watcher) ignored(dir string) bool {
	name := filepath.Base(dir)
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "vendor" || name == "node_modules" {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// note writes down what a file is to us, and reports whether it is anything.
func (w *watcher) note(c *change, path string) bool {
	name := filepath.Base(path)
	switch dir := filepath.Dir(path); {
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, "_test.go"): // not of the program
		return false
	case strings.HasSuffix(name, sampleSuffix) && dir == filepath.Join(w.root, samplesDir):
		if !slices.Contains(c.samples, path) {
			c.samples = append(c.samples, path)
		}
		return true
	case strings.HasSuffix(name, ".go"),
		slices.Contains([]string{"go.mod", "go.sum", "go.work", "karafgo.yaml"}, name) && dir == w.root:
		c.code = true
		return true
	default:
		return false
	}
}

func (w *watcher) run() {
	var now change
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	quiet.Stop()
	var out chan<- change // nil until things have settled
	for {
		select {
		case <-w.closing:
			return
		case out <- now:
			now, out = change{}, nil
		case <-quiet.C:
			out = w.changes
		case e, ok := <-w.inside.Events:
			if !ok {
				return
			}
			if w.event(&now, e) {
				out = nil
				quiet.Reset(settle)
			}
		case _, ok := <-w.inside.Errors: // events were lost
			if !ok {
				return
			}
			now.code, out = true, nil
			quiet.Reset(settle)
		}
	}
}

// justNow is how old a modification is of which a change of attributes tells.
const justNow = 2 * time.Second

// event reports whether anything has changed that matters.
func (w *watcher) event(c *change, e fsnotify.Event) (matters bool) {
	info, err := os.Stat(e.Name)
	if e.Op == fsnotify.Chmod && (err != nil || time.Since(info.ModTime()) > justNow) { // indexers do that; touch means it
		return false
	}
	if e.Has(fsnotify.Create) && err == nil && info.IsDir() {
		if w.ignored(e.Name) {
			return false
		}
		files, _ := w.add(e.Name) // a folder that cannot be watched is not, as one that cannot be read
		for _, f := range files {
			matters = w.note(c, f) || matters
		}
		return matters
	}
	return w.note(c, e.Name)
}
