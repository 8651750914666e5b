package main

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/karafgo/karafgo/internal/config"
)

const (
	testSource = ".."
	testTarget = "../../../docs/reference/config.md"
)

func TestReferenceIsCurrent(t *testing.T) {
	t.Parallel()

	want, err := reference(testSource)
	if err != nil {
		t.Fatal(err)
	}

	got, err := os.ReadFile(testTarget)
	if err != nil {
		t.Fatal(err)
	}

	if !bytes.Equal(got, want) {
		t.Error("docs/reference/config.md is not current: run go generate ./internal/config")
	}
}

// What a comment says the default is must be the default: it is given as a flag and must change
// nothing.
func TestDocumentedDefaultsAreTheDefaults(t *testing.T) {
	t.Parallel()

	keys, err := readKeys(testSource)
	if err != nil {
		t.Fatal(err)
	}

	want, err := config.Load(config.Source{File: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}

	checked := 0

	for _, k := range keys {
		if k.kind == "" || k.path[0] == "topics" {
			continue // sections, and overrides that have no default
		}

		value := k.value
		switch {
		case value == "half of rebalance_timeout":
			value = (want.Group.RebalanceTimeout / 2).String()
		case strings.HasPrefix(value, "empty"):
			value = ""
		}

		path := strings.Join(k.path, ".")

		got, err := config.Load(config.Source{File: os.DevNull, Flags: map[string]string{path: value}})
		if err != nil {
			t.Errorf("%s: the documented default is refused: %v", path, err)

			continue
		}

		// YAML leaves out where values were set, which does differ.
		if !reflect.DeepEqual(written(t, got), written(t, want)) {
			t.Errorf("%s: the documented default %q is not the default", path, value)
		}

		checked++
	}

	const least = 30 // a walk that finds no keys must not pass
	if checked < least {
		t.Errorf("checked %d keys, want at least %d", checked, least)
	}
}

func written(t *testing.T, cfg config.Config) string {
	t.Helper()

	text, err := cfg.YAML()
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}
