package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/karafgo/karafgo/internal/config"
)

const head = `# Configuration

<!-- Generated from the comments in internal/config by "go generate ./internal/config". Do not edit. -->

Code says *what* (topics, handlers, failure steps), configuration says *how much*. Four sources are read, each
overriding the one before it:

1. the defaults below;
2. a YAML file: the one named by a flag or by ` + "`KARAFGO_CONFIG`" + `, which must exist, or else ` + "`karafgo.yaml`" + ` in the
   working directory if it exists;
3. the environment: ` + "`KARAFGO_`" + ` and the path in capitals with a double underscore between the levels,
   ` + "`KARAFGO_SHUTDOWN__DRAIN=45s`" + ` for ` + "`shutdown.drain`" + `; lists are comma separated;
4. flags.

A shell cannot export a name with a dot, so a topic such as ` + "`orders.created`" + ` is configured in the file. A name
without lower-case letters is lowered: ` + "`KARAFGO_TOPICS__ORDERS__CONCURRENCY`" + ` is about the topic ` + "`orders`" + `.

Loading is strict: unknown keys, wrong types, bad values and conflicts are mistakes, a ` + "`KARAFGO_`" + ` variable that is no
key included (` + "`KARAFGO_TEST_*`" + ` is ignored). All of them are reported at once, each with its place, path and remedy:

` + "```text" + `
%s
` + "```" + `

Durations are numbers with units, ` + "`500ms`, `30s`, `1h30m`" + `. Sizes are whole numbers of bytes, or have a unit: ` + "`64MiB`" + `
(1024 × 1024) or ` + "`1MB`" + ` (1000 × 1000).

The defaults, as a file:

` + "```yaml" + `
%s` + "```" + `
`

// reference writes the page for the package in dir.
func reference(dir string) ([]byte, error) {
	keys, err := readKeys(dir)
	if err != nil {
		return nil, err
	}

	defaults, err := config.Default().YAML()
	if err != nil {
		return nil, fmt.Errorf("write defaults: %w", err)
	}

	var page bytes.Buffer

	fmt.Fprintf(&page, head, mistakes(), defaults)

	for _, k := range keys {
		k.write(&page)
	}

	return page.Bytes(), nil
}

// mistakes returns what really is reported, so that the page cannot promise something else.
func mistakes() string {
	_, err := config.Load(config.Source{
		Environ: []string{"KARAFGO_SHUTDOWN_DRAIN=45s"},
		Flags:   map[string]string{"group.heartbeat_interval": "20s", "shutdown.grace": "5"},
	})

	return err.Error()
}

func (k key) write(page *bytes.Buffer) {
	path := strings.Join(k.path, ".")

	switch {
	case k.section && len(k.path) == 1:
		fmt.Fprintf(page, "\n## `%s`\n\n%s\n", path, markdown(k.text))
	case k.section:
		fmt.Fprintf(page, "\n### `%s`\n\n%s\n", path, markdown(k.text))
	case k.kind == "":
		fmt.Fprintf(page, "\n### `%s.*`\n\n%s See [`%s`](#%s).\n", path, markdown(k.text), k.path[len(k.path)-1], k.path[len(k.path)-1])
	default:
		fmt.Fprintf(page, "\n### `%s`\n\n%s · default: %s%s\n\n%s\n", path, k.kind, k.shown(), k.variable(), markdown(k.text))
	}
}

// shown writes the default: a value as code, words as words.
func (k key) shown() string {
	switch {
	case k.value == "empty":
		return "empty"
	case strings.HasPrefix(k.value, "empty, "), strings.Contains(k.value, " "):
		return markdown(k.value)
	default:
		return "`" + k.value + "`"
	}
}

// variable names the key's environment variable, where there is one for every name.
func (k key) variable() string {
	if k.path[0] == "topics" {
		return ""
	}

	return " · `KARAFGO_" + strings.ToUpper(strings.Join(k.path, "__")) + "`"
}

// names are words that are no prose: keys, dotted paths and properties.
var names = regexp.MustCompile("`[^`]*`|" + `[a-z]+(?:[._][a-z]+|\.<[a-z]+>)+`)

// markdown sets names as code, which also keeps <id> from being taken for HTML.
func markdown(text string) string {
	return names.ReplaceAllStringFunc(text, func(name string) string {
		if strings.HasPrefix(name, "`") {
			return name
		}

		return "`" + name + "`"
	})
}
