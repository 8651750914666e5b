package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// Format is how a command prints what it found: for people, or for programs.
type Format string

// The formats of every command that prints what it found.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// Flag adds -o to a command, and refuses other values before the command runs. The command writes by itself in the formats that are more.
func (f *Format) Flag(cmd *cobra.Command, more ...Format) {
	formats := append([]Format{Table, JSON, YAML}, more...)
	names := make([]string, len(formats))
	for i, known := range formats {
		names[i] = string(known)
	}
	last := len(names) - 1
	usage := strings.Join(names[:last], ", ") + " or " + names[last]
	*f = Table
	cmd.Flags().StringVarP((*string)(f), "output", "o", string(Table), usage)
	Complete(cmd, map[string]Completion{"output": Words(func() []string { return names })})
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(formats, *f) {
			return fmt.Errorf("-o %s: want %s", *f, usage)
		}
		return nil
	}
}

// Write writes data, or what people calls for: cells that end in a tab, in lines.
func (f *Format) Write(w io.Writer, data any, people func(w io.Writer)) error {
	if *f == Table {
		return PrintTable(w, people)
	}
	text, err := json.MarshalIndent(data, "", "  ")
	if err == nil && *f == YAML {
		text, err = toYAML(text)
	}
	if err != nil {
		return fmt.Errorf("print as %s: %w", *f, err)
	}
	_, err = fmt.Fprintf(w, "%s\n", bytes.TrimSpace(text))
	return err //nolint:wrapcheck // standard output
}

// PrintTable aligns cells that end in a tab.
func PrintTable(w io.Writer, people func(w io.Writer)) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) //nolint:mnd // two spaces between columns
	people(out)
	return out.Flush() //nolint:wrapcheck // standard output
}

// toYAML keeps the names and the order of fields that JSON has, which is YAML of another style.
func toYAML(text []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	plain(&doc)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2) //nolint:mnd // as config show
	if err := enc.Encode(&doc); err != nil {
		return nil, err
	}
	return out.Bytes(), enc.Close()
}

func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}
